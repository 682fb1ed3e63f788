from __future__ import annotations

import re

from repr_probe.metrics.definitions import DEFINITIONS
from repr_probe.published.table3 import published_rows
from repr_probe.reports.latex import latex_escape, to_latex


def balanced(text: str) -> bool:
    depth = 0
    for symbol in re.sub(r"\\[{}\\]", "", text):
        depth += (symbol == "{") - (symbol == "}")
        if depth < 0:
            return False
    return depth == 0


def test_table_three_in_the_papers_columns_with_intervals(make_report):
    text = to_latex([make_report()], published_rows("imagenet"))
    assert r"\usepackage{booktabs}" in text
    assert r"\begin{tabular}{lrrrrrrrr}" in text
    assert r"resnet50.pth & 0.213 & 0.051 & 0.457 & 531.7 & 1562.8 & 2.013 & 77.62$^\circ$ $\pm$ 4.20$^\circ$" in text
    assert r"{\scriptsize {[}0.192, 0.235{]}}" in text
    assert r"\midrule" + "\nSupervised (published) & 0.29 & 0.04 & 0.53 & 498" in text
    assert text.count("(published)") == 9
    assert text.count(r"\begin{table*}") == text.count(r"\end{table*}") == 2
    assert balanced(text)


def test_rows_of_a_table_have_as_many_cells_as_it_has_columns(make_report):
    text = to_latex([make_report(name="a"), make_report(name="b")])
    for columns, body in re.findall(r"\\begin\{tabular\}\{(l[rl]+)\}(.*?)\\bottomrule", text, re.DOTALL):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert rows
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1, row


def test_special_characters_are_escaped():
    assert latex_escape("50% of a_b & {c} #1 ~ ^ \\x $5") == (
        r"50\% of a\_b \& \{c\} \#1 \textasciitilde{} \textasciicircum{} \textbackslash{}x \$5"
    )
    assert latex_escape("[x]") == "{[}x{]}"  # after \\ a bare bracket would be read as an argument


def test_every_sign_of_the_definition_table_has_its_maths():
    for definition in DEFINITIONS.values():
        for text in (definition.symbol, definition.label, definition.low, definition.high):
            assert latex_escape(text).isascii(), text


def test_hostile_names_stay_inside_their_cell(make_report):
    text = to_latex([make_report(name="\\end{document}\n%$&_", notes=("\\input{/etc/passwd}",))])
    assert "\\end{document}" not in text
    assert "\\input{" not in text
    assert r"\textbackslash{}end\{document\}\textbackslash{}n\%\$\&\_" in text
    assert balanced(text)


def test_undefined_values_and_reasons(make_report):
    text = to_latex([make_report(labelled=False, identity_failures=("I8 broken",))])
    assert "& --- &" in text
    assert "labels are needed; got an unlabelled set" in text
    assert "BROKEN IDENTITY: I8 broken" in text


def test_the_paper_preset_needs_no_second_table(make_report):
    assert to_latex([make_report("paper")]).count(r"\begin{table*}") == 1
