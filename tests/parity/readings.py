"""Every number of the golden files, by the name it goes under: the expression of ours that gives it, and what it is."""

from __future__ import annotations

from typing import NamedTuple


class Reading(NamedTuple):
    """package and key of a golden value; ours: the expression that gives it, read by `conventions.ours`; why: what it is."""

    package: str
    key: str
    ours: str
    why: str


class Part(NamedTuple):
    """One name that several tools use. own: the expression that we print under it; text: why the numbers differ."""

    name: str
    own: str
    text: str
    readings: tuple[Reading, ...]


PARTS: tuple[Part, ...] = (
    Part(
        "RankMe",
        "rankme(x)",
        "Garrido et al. 2023 take singular values of the features as they are, and add 1e-7 to each share. Two tools take eigenvalues, "
        "which are squares, of centred features: a third of the number. A larger epsilon adds D times as much to the sum of shares, so "
        "it counts most where D is large.",
        (
            Reading("embedding-quality", "rankme", "rankme(x)", "as published"),
            Reading("stable-pretraining", "rankme", "rankme(x, epsilon=1e-5)", "epsilon a hundred times larger"),
            Reading("stable-pretraining", "rankme_float32", "rankme(x, epsilon=1e-5)", "the same in float32, as it runs"),
            Reading("ssrlib", "rankme", "effective_rank(x, center=True, spectrum='lambda')", "eigenvalues, centred, no epsilon"),
            Reading("reptrix", "rankme", "report['rankme_reptrix']", "eigenvalues, centred, epsilon 1e-7"),
        ),
    ),
    Part(
        "Effective rank",
        "effective_rank(x)",
        "Roy and Vetterli 2007 define it by singular values of a matrix, and leave open which matrix. Centring adds directions here, "
        "because the common offset took a large share; eigenvalues weigh the large ones more; the participation ratio is another count "
        "altogether.",
        (
            Reading("nngeom", "effective_rank", "effective_rank(x, center=True)", "singular values, centred"),
            Reading("ssrlib", "effective_rank", "effective_rank(x, center=True, spectrum='lambda')", "eigenvalues, centred"),
            Reading("vecscope", "effective_rank", "participation_ratio(x, normalize=True)", "participation ratio of centred unit rows"),
        ),
    ),
    Part(
        "Participation ratio",
        "participation_ratio(x)",
        "One definition everywhere: centred covariance. All read low with few rows; `participation_ratio_debiased` corrects that.",
        (
            Reading("ssrlib", "participation_ratio", "participation_ratio(x)", "the same"),
            Reading("nngeom", "participation_ratio", "participation_ratio(x)", "the same"),
            Reading(
                "spectralyte", "participation_ratio", "participation_ratio(x)",
                "the same up to 10,000 rows; of at most 500 components beyond",
            ),
            Reading("scikit-dimension", "participation_ratio", "participation_ratio(x)", "the same"),
        ),
    ),
    Part(
        "Stable rank and NESum",
        "report['nesum']",
        "Stable rank is ‖X‖²/σ₁² of features as they are, so the offset makes it small; NESum is the same of centred features. Stable "
        "rank is one over our anisotropy.",
        (
            Reading("embedding-quality", "stable_rank", "1 / anisotropy(x)", "not centred"),
            Reading("ssrlib", "stable_rank", "1 / anisotropy(x)", "not centred"),
            Reading("embedding-quality", "nesum", "report['nesum']", "centred"),
            Reading("ssrlib", "nesum", "report['nesum']", "centred"),
        ),
    ),
    Part(
        "α-ReQ",
        "report['alpha_req']",
        "The slope depends on the range it is fitted over and on the weights, and a spectrum is no exact power law.",
        (
            Reading("reptrix", "alpha", "report['alpha_req']", "j = 11 to 100, weights 1/j"),
            Reading(
                "reptrix", "alpha_again", "log_slope(eigenvalues(x), 12, 101, weighted=True)",
                "the same call again: the range passed in was moved by one in the first call",
            ),
            Reading(
                "ssrlib", "alpha", "log_slope(eigenvalues(x), 1, int(0.9 * 224), weighted=False)",
                "first nine tenths of the spectrum, equal weights",
            ),
        ),
    ),
    Part(
        "Anisotropy",
        "anisotropy(x)",
        "Three quantities: the share of the first eigenvalue (ours, as in Table III of HyDeS), the mean cosine of pairs (Ethayarajh "
        "2019), and the share of the first singular value. Where pairs are drawn at random, the seed is in the number; `mean_cosine` "
        "takes all pairs.",
        (
            Reading("spectralyte", "anisotropy", "mean_cosine(x)", "mean cosine; of at most 5,000 rows, negative values cut to 0"),
            Reading("nngeom", "anisotropy", "cosines(x, drawn(320, 2000, seed=0)).mean()", "mean cosine of 2,000 drawn pairs, seed 0"),
            Reading("nngeom", "anisotropy_seed_1", "cosines(x, drawn(320, 2000, seed=1)).mean()", "the same, seed 1"),
            Reading(
                "vecscope", "mean_random_cosine", "cosines(x, drawn(320, 320, seed=0)).mean()",
                "mean cosine of as many drawn pairs as rows, at most 20,000",
            ),
            Reading(
                "vecscope", "top1_pc_variance_share", "anisotropy(x, center=True, normalize=True)",
                "share of the first eigenvalue of centred unit rows",
            ),
            Reading("ssrlib", "cosine_distance_mean", "1 - mean_cosine(x)", "one minus the mean cosine; of at most 4,096 rows"),
            Reading(
                "torchmetrics", "cosine_mean", "mean_cosine(x) * 319 / 320",
                "mean over all cells of the matrix, where the diagonal counts as 0",
            ),
            Reading(
                "manylatents", "anisotropy", "eigenvalues(x)[0] ** 0.5 / (eigenvalues(x) ** 0.5).sum()",
                "share of the first singular value, centred",
            ),
        ),
    ),
    Part(
        "Center vector norm",
        "center_vector_norm(x)",
        "One definition.",
        (
            Reading("vecscope", "mean_vector_norm", "center_vector_norm(x)", "the same"),
        ),
    ),
    Part(
        "Angles and their spread",
        "angles(x).all_mean",
        "Angles are exact over all pairs here; others leave the arccosine to the user.",
        (
            Reading("torchmetrics", "angle_mean", "angles(x).all_mean", "mean over the pairs i < j of its matrix"),
            Reading(
                "ssrlib", "cosine_distance_std", "np.std(cosines(x, np.triu_indices(320, 1)))",
                "SD of the cosine over pairs, not of the angle",
            ),
        ),
    ),
    Part(
        "Uniformity",
        "uniformity(x)",
        "The logarithm of a mean over pairs: exact here, of a draw elsewhere.",
        (
            Reading("nngeom", "uniformity", "uniformity_of(cosines(x, drawn(320, 2000, seed=0)))", "2,000 drawn pairs, seed 0"),
        ),
    ),
    Part(
        "IsoScore",
        "report['isoscore']",
        "Its steps come to (PR - 1)/(D - 1), PR the participation ratio.",
        (
            Reading("IsoScore", "isoscore", "(participation_ratio(x) - 1) / 223", "the same; √D in float32 inside"),
        ),
    ),
    Part(
        "SD of unit rows",
        "report['std_of_l2_normalized']",
        "One definition.",
        (
            Reading("lightly", "std_of_l2_normalized", "report['std_of_l2_normalized']", "the same"),
        ),
    ),
    Part(
        "Feature correlation",
        "feature_correlation(x)",
        "Built of Pearson's r of two features; its mean over pairs is found nowhere else.",
        (
            Reading(
                "torchmetrics", "correlation_of_two_features", "feature_correlation(x[:, :2])",
                "r of the first two, which is positive",
            ),
        ),
    ),
    Part(
        "Neural collapse",
        "neural_collapse(x, y).nc1",
        "With unequal classes it matters whether rows or classes weigh alike. Papyan et al. 2020 had equal classes; ours weigh classes "
        "alike. With the mean of all rows as the centre, class means need not add up to 0 around it, and B has a direction that no "
        "simplex has. On equal classes all agree.",
        (
            Reading("ssrlib", "nc1", "by_rows(x, y)[0]", "NC1, rows weigh alike"),
            Reading("ssrlib", "nc1_even", "neural_collapse(even, even_y).nc1", "NC1, equal classes: the same"),
            Reading("ssrlib", "nc2_equinorm", "by_rows(x, y)[1]", "NC2 equinorm, about the mean of rows"),
            Reading("ssrlib", "nc2_equinorm_even", "neural_collapse(even, even_y).nc2_equinorm", "NC2 equinorm, equal classes: the same"),
            Reading("ssrlib", "nc2_max_equiangle", "by_rows(x, y)[2]", "NC2 angle, about the mean of rows"),
            Reading("ssrlib", "nc2_max_equiangle_even", "neural_collapse(even, even_y).nc2_angle", "NC2 angle, equal classes: the same"),
            Reading("ssrlib", "nc3", "self_duality_by_rows(x, y, w)", "NC3: the square of ours, about the mean of rows"),
            Reading("ssrlib", "nc4", "neural_collapse(x, y, weights=w, bias=b).nc4", "NC4: the same"),
        ),
    ),
    Part(
        "LiDAR",
        "lidar(views)",
        "Sb and Sw are covariances in the paper of Thilak et al. 2024. Leaving out their divisors scales all eigenvalues alike, but "
        "for delta, and does little harm; taking the spectrum of the rows of the LiDAR matrix, as data, in place of its own does.",
        (
            Reading(
                "stable-pretraining", "lidar", "lidar(views, epsilon=1e-12)",
                "epsilon added before scaling to sum 1, where it is nothing beside the eigenvalues",
            ),
            Reading("reptrix", "lidar", "lidar_of_matrix_rows(views)", "squared and centred eigenvalues of the matrix; delta 1e-6"),
        ),
    ),
    Part(
        "Intrinsic dimension (TwoNN)",
        "twonn(cloud).mle",
        "The surface has three dimensions. A tenth of the ratios, the largest, is often left out: the fit of a line through 0 allows "
        "that; a mean of what is left does not, unless the loss is counted (censoring); a line with an intercept is another estimate.",
        (
            Reading("scikit-dimension", "twonn_linear", "twonn(cloud).fit", "line through 0 over nine tenths"),
            Reading("dadapy", "twonn", "twonn(cloud).fit", "the same, fitted by iteration"),
            Reading("spectralyte", "intrinsic_dim", "slope_with_intercept(ratios(cloud))", "line with an intercept"),
            Reading("scikit-dimension", "twonn_mle", "twonn(cloud).mle", "maximum likelihood, all ratios"),
            Reading("dadapy", "twonn_ml", "twonn(cloud).mle", "the same"),
            Reading("scikit-dimension", "twonn_mle_censored", "censored(ratios(cloud))", "maximum likelihood, the largest tenth censored"),
            Reading(
                "nngeom", "twonn", "1 / kept(ratios(cloud)).mean()",
                "the largest tenth left out and not accounted for: a third too much",
            ),
        ),
    ),
    Part(
        "Hubness",
        "report['k_skewness']",
        "One definition, k = 10 by cosine.",
        (
            Reading("vecscope", "hubness_skewness", "report['k_skewness']", "skewness, the same"),
            Reading("vecscope", "antihub_ratio", "report['antihub_share']", "rows that are nobody's neighbour, the same"),
            Reading("scikit-hubness", "antihub_occurrence", "report['antihub_share']", "the same"),
            Reading("scikit-hubness", "robin_hood", "report['robin_hood']", "Robin Hood index, the same"),
            Reading("scikit-hubness", "hub_occurrence", "report['hub_share']", "slots taken by rows with twice k or more, the same"),
        ),
    ),
    Part(
        "Silhouette",
        "report['silhouette_cosine']",
        "Defaults differ in the distance.",
        (
            Reading("scikit-learn", "silhouette_cosine", "report['silhouette_cosine']", "metric='cosine': the same"),
            Reading("scikit-learn", "silhouette", "silhouette_euclidean(x, y)", "Euclidean, its default"),
            Reading("manylatents", "silhouette", "silhouette_euclidean(x, y)", "Euclidean"),
        ),
    ),
    Part(
        "CKA",
        "cka(x, other)",
        "The biased estimate rises with the number of features per row whatever they say; the unbiased one does not. Which is the "
        "default differs.",
        (
            Reading("thingsvision", "cka", "cka(x, other, debiased=False)", "biased, the default"),
            Reading("nngeom", "linear_cka", "cka(x, other, debiased=False)", "biased"),
            Reading("ckatorch", "cka", "cka(x, other, debiased=False)", "biased, the default"),
            Reading("pytorch-cka", "cka", "cka(x, other)", "unbiased, cut to [0, 1]"),
            Reading("thingsvision", "cka_unbiased", "cka(x, other)", "unbiased, on request"),
            Reading("ckatorch", "cka_unbiased", "cka(x, other)", "unbiased, on request"),
        ),
    ),
    Part(
        "k-NN accuracy",
        "knn(bank, bank_y, queries, queries_y).top1",
        "k and the weight of votes are the protocol; say both. With fewer neighbours than classes, top-5 also differs: see "
        "[protocols](protocols.md). The sum over queries i of i times the class foretold tells whether each single answer agrees.",
        (
            Reading("lightly", "knn_top1", "knn(bank, bank_y, queries, queries_y).top1", "k = 200, T = 0.1, top-1"),
            Reading("lightly", "knn_top5", "knn(bank, bank_y, queries, queries_y).top5", "the same, top-5; every class has a vote here"),
            Reading(
                "lightly", "knn_answers", "np.arange(1, 101) @ knn(bank, bank_y, queries, queries_y).predictions",
                "k = 200, T = 0.1, that sum",
            ),
            Reading("lightly", "knn_top1_k20", "knn(bank, bank_y, queries, queries_y, k=20).top1", "k = 20, T = 0.1, top-1"),
            Reading(
                "solo-learn", "knn_top1", "knn(bank, bank_y, queries, queries_y, preset='dino').top1",
                "k = 20, T = 0.07, top-1; of unit rows, which it leaves to the user",
            ),
            Reading("scikit-learn", "knn_uniform", "knn(bank, bank_y, queries, queries_y, preset='uniform', k=1).top1", "k = 1"),
        ),
    ),
)  # fmt: skip
