"""The pair pass on a GPU: one kernel multiplies rows, turns cosines into angles and adds them up; no tile is written."""
