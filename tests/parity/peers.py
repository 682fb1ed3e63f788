"""What is run of each tool: its import lines, and its calls in the tool's own words, on the arrays of `inputs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_BARE = """
import importlib.util, sys, types
package = types.ModuleType({name!r})
package.__path__ = list(importlib.util.find_spec({name!r}).submodule_search_locations)
sys.modules[{name!r}] = package
"""
_METHOD = '''
import ast, importlib.util, types, numpy, torch
from pathlib import Path
def method(package, file, name):
    """One method of a class in a file of the package, compiled alone."""
    folder = Path(next(iter(importlib.util.find_spec(package).submodule_search_locations)))
    tree = ast.parse((folder / file).read_text(encoding="utf-8"))
    found = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)
    found.returns, found.decorator_list = None, []
    for argument in found.args.args:
        argument.annotation = None
    names = {"torch": torch, "np": numpy, "logging": types.SimpleNamespace(info=lambda text: None, warning=lambda text: None)}
    exec(compile(ast.Module([found], []), file, "exec"), names)
    return names[name]
t = torch.from_numpy
'''
_STABLE_PRETRAINING = '''
def rankme(rows):
    """RankMe.on_validation_batch_end with a queue that holds these rows."""
    logged = {}
    queue, trainer = types.SimpleNamespace(data=rows), types.SimpleNamespace(global_rank=0)
    callback = types.SimpleNamespace(name="rankme", verbose=False, _target_queue=queue)
    module = types.SimpleNamespace(log=lambda name, value: logged.update({name: value}))
    method("stable_pretraining", "callbacks/rankme.py", "on_validation_batch_end")(callback, trainer, module, None, None, 0)
    return logged["rankme"]
def lidar(rows, n_classes, samples_per_class, delta=1e-4, epsilon=1e-8):
    """LiDAR._compute_lidar."""
    callback = types.SimpleNamespace(name="lidar", n_classes=n_classes, samples_per_class=samples_per_class, delta=delta, epsilon=epsilon)
    return method("stable_pretraining", "callbacks/lidar.py", "_compute_lidar")(callback, rows)["lidar"]
'''
_SOLO_LEARN = '''
from torch.nn.functional import normalize
def top1(train, train_targets, test, test_targets, k=20, T=0.07):
    """WeightedKNNClassifier.compute, a share in place of a percentage."""
    metric = types.SimpleNamespace(train_features=[train], train_targets=[train_targets], test_features=[test], test_targets=[test_targets],
        k=k, T=T, max_distance_matrix_size=int(5e6), distance_fx="cosine", epsilon=1e-5, reset=lambda: None)
    return method("solo", "utils/knn.py", "compute")(metric)[0] / 100
'''
_HUBNESS = '''
from sklearn.neighbors import NearestNeighbors
def occurrences(rows, k=10):
    return numpy.bincount(NearestNeighbors(n_neighbors=k, metric="cosine").fit(rows).kneighbors(return_distance=False).ravel(), minlength=len(rows))
def measure(name, *values):
    return method("skhubness", "analysis/estimation.py", name)(*values)
'''


@dataclass(frozen=True)
class Peer:
    """distribution: as it is installed.  setup: lines run before the calls.  calls: key -> expression whose value is one number.

    how: how it is run where that is not by plain import.
    """

    distribution: str
    setup: str
    calls: Mapping[str, str]
    how: str = "imported"


_KNN = "float((knn_predict(normalize(t(queries)), normalize(t(bank)).T, t(bank_y), num_classes=8, knn_k={k}, knn_t=0.1)[:, {top}]"
_TORCH = "import torch\nfrom torch.nn.functional import normalize\nt = torch.from_numpy\n"
_NC = "NeuralCollapseProcessor().process({rows}, labels={labels}, classifier_weights=w, classifier_bias=b)[{place}]"

PEERS: tuple[Peer, ...] = (
    Peer(
        "ssrlib",
        "from ssrlib.processing import *\nfrom ssrlib.processing.neural_collapse import NeuralCollapseProcessor\n"
        "from ssrlib.processing.pairwise_stats import PairwiseDistanceStatsProcessor\n"
        "from ssrlib.processing.spectral_quality import *\nfrom ssrlib.processing.stable_rank import StableRankProcessor\n",
        {
            "rankme": "RankMeProcessor().process(x)[0]",
            "effective_rank": "EffectiveRankProcessor().process(x)[0]",
            "participation_ratio": "ParticipationRatioProcessor().process(x)[0]",
            "nesum": "NESumProcessor().process(x)[0]",
            "stable_rank": "StableRankProcessor().process(x)[0]",
            "alpha": "AlphaReQProcessor().process(x)[0]",
            "cosine_distance_mean": "PairwiseDistanceStatsProcessor(metric='cosine').process(x)[0]",
            "cosine_distance_std": "PairwiseDistanceStatsProcessor(metric='cosine').process(x)[1]",
            "nc1": _NC.format(rows="x", labels="y", place=0),
            "nc2_equinorm": _NC.format(rows="x", labels="y", place=1),
            "nc2_max_equiangle": _NC.format(rows="x", labels="y", place=3),
            "nc3": _NC.format(rows="x", labels="y", place=4),
            "nc4": _NC.format(rows="x", labels="y", place=5),
            "nc1_even": _NC.format(rows="even", labels="even_y", place=0),
            "nc2_equinorm_even": _NC.format(rows="even", labels="even_y", place=1),
            "nc2_max_equiangle_even": _NC.format(rows="even", labels="even_y", place=3),
        },
    ),
    Peer(
        "reptrix",
        "import numpy as np, torch\nfrom reptrix.alpha import get_alpha\nfrom reptrix.lidar import get_lidar\n"
        "from reptrix.rankme import get_rankme\nt = torch.from_numpy\nfit_range = np.arange(10, 100)\n",
        {
            "rankme": "get_rankme(t(x))",
            "alpha": "get_alpha(t(x), fit_range=fit_range)[0]",
            "alpha_again": "get_alpha(t(x), fit_range=fit_range)[0]",
            "lidar": "get_lidar(t(views), 60, 6)",
        },
    ),
    Peer(
        "embedding-quality",
        "from embedding_quality import UnsupervisedEmbeddingQualityEvaluation as quality\n",
        {"rankme": "quality.RankMe(x)", "nesum": "quality.NESum(x).real", "stable_rank": "quality.Stable_rank(x)"},
    ),
    Peer(
        "stable-pretraining",
        _METHOD + _STABLE_PRETRAINING,
        {"rankme": "rankme(t(x))", "rankme_float32": "rankme(t(x).float())", "lidar": "lidar(t(views.reshape(360, 24)), 60, 6)"},
        how="two methods taken from its files by name and run alone, in float64 (and as it runs them, in float32): the package asks for about "
        "thirty others",
    ),
    Peer(
        "vecscope",
        "from vecscope.diagnostics.anisotropy import anisotropy\nfrom vecscope.diagnostics.hubness import hubness\n",
        {
            "mean_random_cosine": "anisotropy(x)['mean_random_cosine']",
            "mean_vector_norm": "anisotropy(x)['mean_vector_norm']",
            "effective_rank": "anisotropy(x)['effective_rank']",
            "top1_pc_variance_share": "anisotropy(x)['top1_pc_variance_share']",
            "hubness_skewness": "hubness(x)['skewness']",
            "antihub_ratio": "hubness(x)['antihub_ratio']",
        },
    ),
    Peer(
        "spectralyte",
        "from spectralyte.metrics import anisotropy, dimensionality, intrinsic_dim\n",
        {
            "anisotropy": "anisotropy.compute(x).score",
            "participation_ratio": "dimensionality.compute(x).participation_ratio",
            "intrinsic_dim": "intrinsic_dim.compute(cloud).d_int",
        },
    ),
    Peer(
        "nngeom",
        "from nngeom import manifolds, representations\n",
        {
            "effective_rank": "manifolds.effective_rank(x)",
            "participation_ratio": "manifolds.participation_ratio(x)",
            "anisotropy": "representations.anisotropy(x, seed=0)",
            "anisotropy_seed_1": "representations.anisotropy(x, seed=1)",
            "uniformity": "representations.uniformity(x, seed=0)",
            "linear_cka": "representations.linear_cka(x, other)",
            "twonn": "manifolds.intrinsic_dimension_twonn(cloud)",
        },
    ),
    Peer(
        "manylatents",
        "import types\nfrom manylatents.metrics.anisotropy import Anisotropy\nfrom manylatents.metrics.silhouette import SilhouetteScore\n",
        {
            "anisotropy": "Anisotropy(x)",
            "silhouette": "SilhouetteScore(x, dataset=types.SimpleNamespace(metadata=y))",
        },
    ),
    Peer("IsoScore", "from IsoScore.IsoScore import IsoScore\n", {"isoscore": "float(IsoScore(x))"}),
    Peer(
        "scikit-dimension",
        "import skdim\n",
        {
            "twonn_linear": "skdim.id.TwoNN().fit(cloud).dimension_",
            "twonn_mle": "skdim.id.TwoNN(method='mle', discard_fraction=0.0).fit(cloud).dimension_",
            "twonn_mle_censored": "skdim.id.TwoNN(method='mle').fit(cloud).dimension_",
            "participation_ratio": "skdim.id.lPCA(ver='participation_ratio').fit(x).dimension_",
        },
    ),
    Peer(
        "dadapy",
        _BARE.format(name="dadapy") + "from dadapy.id_estimation import IdEstimation\n",
        {
            "twonn": "IdEstimation(coordinates=cloud).compute_id_2NN()[0]",
            "twonn_ml": "IdEstimation(coordinates=cloud).compute_id_2NN(algorithm='ml')[0]",
        },
        how="its module `id_estimation` without the start file of the package, which asks for jax and flax; with NumPy 1.26, for which its wheel "
        "was built",
    ),
    Peer(
        "lightly",
        _TORCH + "from lightly.utils.benchmarking import knn_predict\nfrom lightly.utils.debug import std_of_l2_normalized\n",
        {
            "std_of_l2_normalized": "float(std_of_l2_normalized(t(x)))",
            "knn_top1": _KNN.format(k=200, top=0) + " == t(queries_y)).double().mean())",
            "knn_answers": _KNN.format(k=200, top=0) + " * torch.arange(1, 101)).sum())",
            "knn_top1_k20": _KNN.format(k=20, top=0) + " == t(queries_y)).double().mean())",
            "knn_top5": _KNN.format(k=200, top=":5") + " == t(queries_y)[:, None]).any(1).double().mean())",
        },
    ),
    Peer(
        "torchmetrics",
        "import torch\nfrom torchmetrics.functional import pairwise_cosine_similarity\nfrom torchmetrics.functional import pearson_corrcoef\n"
        "t = torch.from_numpy\n",
        {
            "cosine_mean": "float(pairwise_cosine_similarity(t(x), reduction='mean').mean())",
            "angle_mean": "float(pairwise_cosine_similarity(t(x))[torch.triu_indices(320, 320, 1).unbind()].arccos().rad2deg().mean())",
            "correlation_of_two_features": "float(pearson_corrcoef(t(x[:, 0].copy()), t(x[:, 1].copy())))",
        },
    ),
    Peer(
        "scikit-learn",
        "from sklearn.metrics import silhouette_score\nfrom sklearn.neighbors import KNeighborsClassifier\n",
        {
            "silhouette_cosine": "silhouette_score(x, y, metric='cosine')",
            "silhouette": "silhouette_score(x, y)",
            "knn_uniform": "KNeighborsClassifier(1, metric='cosine').fit(bank, bank_y).score(queries, queries_y)",
        },
    ),
    Peer(
        "solo-learn",
        _METHOD + _SOLO_LEARN,
        {"knn_top1": "top1(normalize(t(bank)), t(bank_y), normalize(t(queries)), t(queries_y))"},
        how="one method taken from its file by name and run alone: the class hands torchmetrics an argument that it no longer takes",
    ),
    Peer(
        "scikit-hubness",
        _METHOD + _HUBNESS,
        {
            "robin_hood": "measure('_calc_robinhood_index', occurrences(x))",
            "antihub_occurrence": "measure('_calc_antihub_occurrence', occurrences(x))[1]",
            "hub_occurrence": "measure('_calc_hub_occurrence', 10, occurrences(x), 320)[1]",
        },
        how="three methods taken from its file by name and run alone, on neighbours that scikit-learn found: the package imports a module that "
        "scikit-learn no longer has",
    ),
    Peer(
        "pytorch-cka",
        "import torch\nfrom cka.cka import cka_from_features\nt = torch.from_numpy\n",
        {"cka": "float(cka_from_features(t(x), t(other)))"},
    ),
    Peer(
        "ckatorch",
        _BARE.format(name="ckatorch") + "import torch\nfrom ckatorch.core import cka_base\nt = torch.from_numpy\n",
        {"cka": "float(cka_base(t(x), t(other)))", "cka_unbiased": "float(cka_base(t(x), t(other), unbiased=True))"},
        how="its module `core` without the start file of the package, which asks for a plotting library",
    ),
    Peer(
        "thingsvision",
        _BARE.format(name="thingsvision") + "from thingsvision.core.cka.cka_numpy import CKANumPy\n",
        {
            "cka": "float(CKANumPy(m=320, kernel='linear').compare(x.copy(), other.copy()))",
            "cka_unbiased": "float(CKANumPy(m=320, kernel='linear', unbiased=True).compare(x.copy(), other.copy()))",
        },
        how="its module `cka_numpy` without the start file of the package, whose pins do not install beside current libraries",
    ),
)

NOT_RUN: Mapping[str, str] = {
    "RankMe and LiDAR of their authors": "no public code was found",
    "HyDeS": "no code of its authors was found",
    "torch-cam": "holds none of these measures",
}
