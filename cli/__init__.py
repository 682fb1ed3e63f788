"""The command repro-probe: parse, call one workflow, print. The only place that writes to stdout."""
