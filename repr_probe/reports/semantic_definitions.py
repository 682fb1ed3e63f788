"""The definition table of semantic alignment: what every number of a SemanticReport is. Formats, documentation and tests are made from it."""

from __future__ import annotations

from repr_probe.metrics.definitions import Definition

_HYDES = "HyDeS (arXiv 2604.24498), Table IV"
_REFERENCES = {
    "wup": ("WuP", "1 - Wu-Palmer (NLTK's; mean of both orders)"),
    "lch": ("LCH", "largest Leacock-Chodorow - Leacock-Chodorow"),
    "path": ("path", "1 - 1/(shortest path + 1)"),
    "wup_strict": ("strict WuP", "1 - Wu-Palmer by the deepest common ancestor"),
    "lca_height": ("LCA height", "height of the lowest common ancestor"),
    "text": ("text", "1 - cosine of class names in the text model"),
}
WORDNET_MEASURES = ("wup", "lch", "path", "wup_strict", "lca_height")
PAPER_COLUMNS = (("WuP", "spearman_wup"), ("LCH", "spearman_lch"), ("Cophenetic", "cophenetic_rep_tree"), ("MiniLM", "spearman_text"))


def _of_reference(kind: str, reference: str) -> Definition:
    symbol, words = _REFERENCES[reference]
    name = "Spearman" if kind == "spearman" else "Pearson"
    paper = kind == "spearman" and reference in ("wup", "lch", "text")
    return Definition(
        f"{kind}_{reference}", f"{name} {symbol}", f"{name} correlation with {symbol}", "", 3, "higher", "-1", "1",
        f"{name}, pairs of classes: 1 - cosine of prototypes and {words}",
        "0: how alike two classes are represented says nothing of how alike they are by the reference; 1: the same order.",
        _HYDES if paper else "Kriegeskorte et al. 2008 (representational similarity)", "paper" if paper else "default", "labels",
    )  # fmt: skip


_COPHENETIC = (
    Definition("cophenetic_rep_tree", "cophenetic A", "cophenetic, tree of the representation", "", 3, "higher", "-1", "1",
               "Pearson, pairs of classes: cophenetic distance in the representation's tree and 1 - Wu-Palmer",
               "how well the merge heights of the classes follow WordNet; depends on the linkage, which is stated.", _HYDES, "paper", "labels"),
    Definition("cophenetic_tree_tree", "cophenetic B", "cophenetic, tree against tree", "", 3, "higher", "-1", "1",
               "Pearson, pairs of classes: cophenetic distances in both trees, representation and 1 - Wu-Palmer",
               "agreement of two hierarchies; depends on the linkage and on ties in WordNet.",
               "Sokal & Rohlf 1962", "default", "labels"),
)  # fmt: skip

DEFINITIONS: dict[str, Definition] = {
    definition.key: definition
    for definition in (
        *(_of_reference("spearman", reference) for reference in _REFERENCES),
        *_COPHENETIC,
        *(_of_reference("pearson", reference) for reference in _REFERENCES),
    )
}
"""Key -> definition, in the order of a report: Spearman, cophenetic, Pearson."""
