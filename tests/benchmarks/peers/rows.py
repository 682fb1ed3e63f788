"""What is set side by side: one row is a call of a tool, the call of ours that gives the same numbers, and how the exact ones are found.

Calls are expressions on x (n, D) float32, y (n,) labels and other (n, D') float32. Those of a tool follow its `setup` in
`tests/parity/peers.py`, ours see what `one_side.our_names` lists, exact ones the functions of `exact`.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """peer: name of the distribution.  data: "real", "synthetic" or "surface".  n: rows taken, at most.  numbers: what the calls give.

    share: words for what the tool leaves out, where it does.
    """

    peer: str
    call: str
    theirs: str
    ours: str
    exact: str
    numbers: tuple[str, ...]
    data: str = "real"
    n: int = 10_000
    share: str = ""


SETUPS = {
    "faiss-cpu": (
        "import faiss, numpy, os\n"
        "from scipy.stats import skew\n"
        "faiss.omp_set_num_threads(int(os.environ['OMP_NUM_THREADS']))\n"
        "def occurrences(rows, k):\n"
        "    unit = rows / numpy.linalg.norm(rows, axis=1, keepdims=True)\n"
        "    index = faiss.IndexFlatIP(unit.shape[1])\n"
        "    index.add(unit)\n"
        "    near = index.search(unit, k + 1)[1]\n"
        "    own = near == numpy.arange(len(unit))[:, None]\n"
        "    own[~own.any(axis=1), -1] = True\n"
        "    return numpy.bincount(near[~own], minlength=len(unit))\n"
        "def hubs(rows, k=10):\n"
        "    count = occurrences(rows, k)\n"
        "    return float(skew(count)), float((count == 0).mean())\n"
    )
}  # of tools that the parity suite does not run
OLDER = ("dadapy",)  # tools whose wheels want the older NumPy that lies in FOLDER/old
_SURFACE = "surface"
_SYNTHETIC = "synthetic"
_VECSCOPE = ("mean cosine", "CVN", "first share", "participation ratio")
_HUBS = ("skewness", "antihubs")
_OUR_HUBS = "take('skewness', 'antihub_share')(hubness(x))"
_PAIRS = ("mean cosine", "SD")
_SLOPE, _INTERCEPT, _CUT = "line through 0", "line with intercept", "largest tenth left out"

ROWS: tuple[Row, ...] = (
    Row(
        "vecscope", "anisotropy", "pick('mean_random_cosine', 'mean_vector_norm', 'top1_pc_variance_share', 'effective_rank')(anisotropy(x))",
        "(mean_cosine(x), center_vector_norm(x), anisotropy(x, center=True, normalize=True), participation_ratio(x, normalize=True))",
        "(mean_cosine(x), center_vector_norm(x), top_share(unit(x), center=True), participation_ratio(unit(x)))",
        _VECSCOPE, share="the mean cosine is of 10,000 drawn pairs",
    ),
    Row("vecscope", "hubness", "pick('skewness', 'antihub_ratio')(hubness(x))", _OUR_HUBS, "hubs(x)", _HUBS),
    Row("faiss-cpu", "IndexFlatIP.search, counted", "hubs(x)", _OUR_HUBS, "hubs(x)", _HUBS),
    Row("nngeom", "anisotropy", "representations.anisotropy(x, seed=0)", "mean_cosine(x)", "mean_cosine(x)", ("mean cosine",),
        share="2,000 drawn pairs"),
    Row("nngeom", "uniformity", "representations.uniformity(x, seed=0)", "uniformity(x)", "uniformity(x)", ("uniformity",),
        share="2,000 drawn pairs; ours all 50 million"),
    Row("nngeom", "uniformity(n_pairs=100000)", "representations.uniformity(x, n_pairs=100_000, seed=0)", "uniformity(x)", "uniformity(x)",
        ("uniformity",), share="100,000 drawn pairs; ours all 50 million"),
    Row("nngeom", "effective_rank", "manifolds.effective_rank(x)", "effective_rank(x, center=True)",
        "effective_rank(x, center=True)", ("rank",)),
    Row("nngeom", "participation_ratio", "manifolds.participation_ratio(x)", "participation_ratio(x)", "participation_ratio(x)", ("ratio",)),
    Row("nngeom", "linear_cka", "representations.linear_cka(x, other)", "cka(x, other, debiased=False)", "cka_biased(x, other)", ("CKA",)),
    Row("nngeom", "intrinsic_dimension_twonn", "manifolds.intrinsic_dimension_twonn(x)", "1 / kept(ratios(x)).mean()",
        "1 / kept(log_ratios(x)).mean()", (_CUT,)),
    Row("nngeom", "intrinsic_dimension_twonn", "manifolds.intrinsic_dimension_twonn(x)", "1 / kept(ratios(x)).mean()",
        "1 / kept(log_ratios(x)).mean()", (_CUT,), data=_SURFACE),
    Row("spectralyte", "anisotropy", "anisotropy.compute(x).score", "mean_cosine(x)", "mean_cosine(x)", ("mean cosine",),
        share="5,000 drawn rows"),
    Row("spectralyte", "dimensionality", "dimensionality.compute(x).participation_ratio", "participation_ratio(x)",
        "participation_ratio(x)", ("ratio",)),
    Row("spectralyte", "dimensionality", "dimensionality.compute(x).participation_ratio", "participation_ratio(x)",
        "participation_ratio(x)", ("ratio",), data=_SYNTHETIC, n=20_000, share="at most 500 components beyond 10,000 rows"),
    Row("spectralyte", "intrinsic_dim", "intrinsic_dim.compute(x, normalize=False, sample_size=None).d_int",
        "slope_with_intercept(ratios(x))", "slope_with_intercept(log_ratios(x))", (_INTERCEPT,), n=4_000),
    Row("spectralyte", "intrinsic_dim", "intrinsic_dim.compute(x, normalize=False, sample_size=None).d_int",
        "slope_with_intercept(ratios(x))", "slope_with_intercept(log_ratios(x))", (_INTERCEPT,), data=_SURFACE, n=20_000),
    Row("ssrlib", "RankMeProcessor", "RankMeProcessor().process(x)[0]", "effective_rank(x, center=True, spectrum='lambda')",
        "eigenvalue_rank(x, center=True)", ("rank of eigenvalues",)),
    Row("ssrlib", "ParticipationRatioProcessor", "ParticipationRatioProcessor().process(x)[0]", "participation_ratio(x)",
        "participation_ratio(x)", ("ratio",)),
    Row("ssrlib", "StableRankProcessor", "StableRankProcessor().process(x)[0]", "1 / anisotropy(x)", "1 / top_share(x)", ("stable rank",)),
    Row("ssrlib", "PairwiseDistanceStatsProcessor", "1 - PairwiseDistanceStatsProcessor(metric='cosine').process(x)[0]",
        "mean_cosine(x)", "mean_cosine(x)", ("mean cosine",), share="4,096 drawn rows"),
    Row("ssrlib", "PairwiseDistanceStatsProcessor(max_samples=10000)",
        "[1, 0] + [-1, 1] * PairwiseDistanceStatsProcessor(metric='cosine', max_samples=10_000).process(x)[:2]",
        "cosine_moments(x)", "cosine_moments(x)", _PAIRS),
    Row("ssrlib", "NeuralCollapseProcessor", "NeuralCollapseProcessor().process(x, labels=y)[[0, 1, 3]]",
        "take('nc1', 'nc2_equinorm', 'nc2_angle')(neural_collapse(x, y))", "neural_collapse(x, y)", ("NC1", "equinorm", "equiangle")),
    Row("dadapy", "compute_id_2NN", "IdEstimation(coordinates=x, maxk=2, n_jobs=threads).compute_id_2NN()[0]", "twonn(x).fit",
        "slope(log_ratios(x))", (_SLOPE,)),
    Row("dadapy", "compute_id_2NN", "IdEstimation(coordinates=x, maxk=2, n_jobs=threads).compute_id_2NN()[0]", "twonn(x).fit",
        "slope(log_ratios(x))", (_SLOPE,), data=_SURFACE, n=20_000),
    Row("scikit-dimension", "TwoNN", "skdim.id.TwoNN().fit(x).dimension_", "twonn(x).fit", "slope(log_ratios(x))", (_SLOPE,)),
    Row("scikit-dimension", "TwoNN", "skdim.id.TwoNN().fit(x).dimension_", "twonn(x).fit", "slope(log_ratios(x))", (_SLOPE,),
        data=_SURFACE, n=20_000),
    Row("scikit-dimension", "TwoNN(method='mle', discard_fraction=0)",
        "skdim.id.TwoNN(method='mle', discard_fraction=0.0).fit(x).dimension_", "twonn(x).mle", "likelihood(log_ratios(x))",
        ("likelihood",)),
    Row("scikit-dimension", "lPCA(ver='participation_ratio')", "skdim.id.lPCA(ver='participation_ratio').fit(x).dimension_",
        "participation_ratio(x)", "participation_ratio(x)", ("ratio",)),
    Row("torchmetrics", "pairwise_cosine_similarity, mean",
        "float(pairwise_cosine_similarity(t(x), reduction='mean').mean()) * len(x) / (len(x) - 1)", "mean_cosine(x)", "mean_cosine(x)",
        ("mean cosine",)),
    Row("torchmetrics", "pairwise_cosine_similarity, arccos",
        "float(pairwise_cosine_similarity(t(x))[torch.triu_indices(len(x), len(x), 1).unbind()].arccos().rad2deg().mean())",
        "angles(x).all_mean", "mean_angle(x)", ("mean angle",)),
    Row("IsoScore", "IsoScore", "float(IsoScore(x))", "measure('isoscore', x)", "(participation_ratio(x) - 1) / (x.shape[1] - 1)",
        ("IsoScore",)),
    Row("reptrix", "get_alpha", "get_alpha(t(x))[0]", "measure('alpha_req', x)", "alpha(x)", ("α",)),
    Row("reptrix", "get_rankme", "get_rankme(t(x))", "measure('rankme_reptrix', x)", "rankme_of(eigenvalues(x, center=True))",
        ("rank of eigenvalues",)),
    Row("embedding-quality", "RankMe", "quality.RankMe(x)", "rankme(x)", "rankme_of(sigma(x))", ("RankMe",)),
    Row("pytorch-cka", "cka_from_features", "float(cka_from_features(t(x), t(other)))", "cka(x, other)", "cka(x, other)", ("CKA",)),
    Row("scikit-learn", "silhouette_score", "silhouette_score(x, y, metric='cosine')", "silhouette_cosine(x, y)", "silhouette(x, y)",
        ("silhouette",)),
)  # fmt: skip
