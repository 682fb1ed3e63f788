"""The definition table: what every reported number is. Reports, documentation and their tests are made from it and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass

PRESETS = ("paper", "default", "full")

_HYDES = "HyDeS (arXiv 2604.24498)"
_TABLE = f"{_HYDES}, Table III"


@dataclass(frozen=True)
class Definition:
    """One reported number.

    key: its name in Python and JSON.  symbol: the short column head (the paper's where it has one).  label: the name in words.
    unit: "" or "deg".  digits: decimals in a table.  better: "higher", "lower" or "" where neither is better by itself.
    low, high: the range, as text.  variant: the exact definition.  meaning: how to read it.  source: paper, equation or table.
    preset: the smallest preset that holds it.
    needs: "features", "labels", "pairs", "labels+pairs", "neighbours", "labels+neighbours" or "views".
    """

    key: str
    symbol: str
    label: str
    unit: str
    digits: int
    better: str
    low: str
    high: str
    variant: str
    meaning: str
    source: str
    preset: str
    needs: str


def _d(key: str, symbol: str, label: str, unit: str, digits: int, better: str, span: tuple[str, str],
       variant: str, meaning: str, source: str, preset: str, needs: str) -> Definition:  # fmt: skip
    return Definition(key, symbol, label, unit, digits, better, span[0], span[1], variant, meaning, source, preset, needs)


_ROWS = (
    # --- preset paper: the columns of Table III, in its order ------------------------------------------------------------------------
    _d("anisotropy", "ANISO", "anisotropy", "", 3, "lower", ("1/min(N, D)", "1"),
       "share of the largest eigenvalue of XᵀX, raw rows, uncentred",
       "low: the cloud uses all directions alike; 1: all rows lie on one line through the origin. "
       "Differs from mean cosine by the spread of the norms.", _TABLE, "paper", "features"),
    _d("feature_correlation", "CORR", "feature correlation", "", 3, "lower", ("0", "1"),
       "mean |Pearson r| over pairs of different, non-constant features",
       "0: features decorrelated (independent features read about √(2/(πN))); 1: all features are copies of one.",
       _TABLE, "paper", "features"),
    _d("center_vector_norm", "CVN", "center vector norm", "", 3, "lower", ("0", "1"),
       "‖mean of the unit rows‖", "0: directions balanced around the origin; 1: all rows point the same way.",
       f"{_TABLE}; Jha et al. (arXiv 2402.14957)", "paper", "features"),
    _d("centroid_rank", "CENTROID RANK", "centroid rank", "", 1, "higher", ("1", "min(K, D)"),
       "exp entropy of the singular values of the uncentred K x D matrix of class means of unit rows",
       "number of directions the classes span; falls with CVN at a fixed class structure, so read the centred one beside it.",
       _TABLE, "paper", "labels"),
    _d("effective_rank", "EMBED. RANK", "effective rank", "", 1, "higher", ("1", "min(N, D)"),
       "exp entropy of the singular values of the raw, uncentred features",
       "number of directions in use; grows with N until N is about 10 D, so compare at equal N only.",
       f"{_TABLE}; Roy & Vetterli 2007", "paper", "features"),
    _d("d_prime", "d′", "sensitivity index", "", 3, "higher", ("-inf", "+inf"),
       "(mean₊ - mean₋)/√((var₊ + var₋)/2) of cosines, same-class against different-class pairs",
       "0: same-class pairs are no closer than others; 1-2: the range of the paper's encoders; higher: classes apart.",
       _TABLE, "paper", "labels"),
    _d("angle_all_mean", "ALL ANGLE", "mean angle, all pairs", "deg", 2, "higher", ("0", "180"),
       "mean over all unordered pairs of arccos of the cosine",
       "90: near-orthogonal on average; small: the cloud sits in a cone.", _TABLE, "paper", "pairs"),
    _d("angle_all_std", "ALL ANGLE SD", "SD of angle, all pairs", "deg", 2, "", ("0", "90"),
       "population SD over the same pairs", "uniform on the sphere in D dimensions: about 57.3/√D.", _TABLE, "paper", "pairs"),
    _d("angle_positive_mean", "POS. ANGLE", "mean angle, same class", "deg", 2, "lower", ("0", "180"),
       "mean over same-class pairs of arccos of the cosine (pairs weigh alike: large classes dominate)",
       "small: classes are tight. Read it against the mean over all pairs.", _TABLE, "paper", "labels+pairs"),
    _d("angle_positive_std", "POS. ANGLE SD", "SD of angle, same class", "deg", 2, "", ("0", "90"),
       "population SD over the same pairs", "large: some classes are much tighter than others.", _TABLE, "paper", "labels+pairs"),
    # --- preset default: what a reader needs next to them ----------------------------------------------------------------------------
    _d("anisotropy_mean_cosine", "MEAN COS", "mean cosine", "", 3, "lower", ("-1/(N-1)", "1"),
       "mean cosine over all pairs of different rows", "0: isotropic; equals (N·CVN² - 1)/(N - 1).",
       "Ethayarajh 2019", "default", "features"),
    _d("center_vector_norm_debiased", "CVN*", "center vector norm, debiased", "", 3, "lower", ("0", "1"),
       "√max(0, mean cosine)", "CVN without the 1/N that a finite sample adds to its square.", "this project", "default", "features"),
    _d("centroid_rank_centered", "C. RANK ctr", "centroid rank, centred", "", 1, "higher", ("1", "min(K-1, D)"),
       "as centroid rank, after subtracting the mean of the class means",
       "class structure alone: not confounded by CVN.", "this project", "default", "labels"),
    _d("effective_rank_centered", "E. RANK ctr", "effective rank, centred", "", 1, "higher", ("1", "min(N-1, D)"),
       "exp entropy of the singular values of the column-centred features",
       "number of directions of variation.", "Roy & Vetterli 2007", "default", "features"),
    _d("participation_ratio_debiased", "PR*", "participation ratio, debiased", "", 1, "higher", ("1", "D"),
       "(tr C)²/unbiased estimate of ‖C‖² (HSIC₁), centred covariance",
       "number of directions that carry variance, nearly independent of N; may exceed D by noise.",
       "Song et al. 2012 for HSIC₁", "default", "features"),
    _d("angle_negative_mean", "NEG. ANGLE", "mean angle, different class", "deg", 2, "higher", ("0", "180"),
       "mean over different-class pairs of arccos of the cosine", "read it against the same-class mean.", _HYDES,
       "default", "labels+pairs"),
    _d("angle_negative_std", "NEG. ANGLE SD", "SD of angle, different class", "deg", 2, "", ("0", "90"),
       "population SD over the same pairs", "large: some classes are near each other.", _HYDES, "default", "labels+pairs"),
    _d("uniformity", "UNIF.", "uniformity", "", 3, "lower", ("-8", "0"),
       "ln of the mean over all pairs of exp(-2‖uᵢ - uⱼ‖²)",
       "about -4 (exactly ln ₀F₁(;D/2;4) - 4) for the uniform distribution on the sphere; 0: collapsed.",
       "Wang & Isola 2020", "default", "pairs"),
    _d("alignment_class", "ALIGN. class", "class alignment", "", 3, "lower", ("0", "4"),
       "mean over same-class pairs of ‖uᵢ - uⱼ‖² = 2(1 - mean cosine)",
       "0: every class is one point. Positives are class mates, not augmented views.", "after Wang & Isola 2020", "default", "labels"),
    _d("zero_fraction", "ZEROS", "zero fraction", "", 3, "", ("0", "1"),
       "share of entries that are exactly 0", "sparsity after a ReLU; 0 for signed features.", f"{_HYDES}, section IV",
       "default", "features"),
    _d("norm_cv", "NORM CV", "norm variation", "", 3, "", ("0", "√(N-1)"),
       "SD/mean of ‖x‖", "0: raw and unit rows tell the same story; large: a few long rows dominate the raw measures.",
       "this project", "default", "features"),
    _d("norm_alignment", "NORM ALIGN", "norm alignment", "", 3, "", ("-1", "1"),
       "Pearson r of ‖xᵢ‖ with uᵢ·m, m the mean of the unit rows",
       "positive: long rows lie near the mean direction, so anisotropy exceeds CVN².", "this project", "default", "features"),
    _d("centroid_noise_share", "C. NOISE", "centroid noise share", "", 3, "lower", ("0", "+inf"),
       "mean over classes of the variance of the class mean / spread of the class means",
       "above 0.1 the centroid rank counts noise of too few images per class.", "this project", "default", "labels"),
    # --- preset full: every card --------------------------------------------------------------------------------------
    _d("anisotropy_unit", "ANISO unit", "anisotropy of unit rows", "", 3, "lower", ("1/min(N, D)", "1"),
       "share of the largest eigenvalue of UᵀU, unit rows, uncentred", "never below CVN².", "this project", "full", "features"),
    _d("anisotropy_centered", "ANISO ctr", "anisotropy, centred", "", 3, "lower", ("1/min(N-1, D)", "1"),
       "share of the largest eigenvalue of the covariance", "share of the first principal component.", "Razzhigaev et al. 2023",
       "full", "features"),
    _d("anisotropy_mean_ratio", "MEAN RATIO", "mean-vector share", "", 3, "lower", ("0", "1"),
       "‖mean x‖²/mean ‖x‖²", "share of the second moment in the mean vector; never above anisotropy.", "this project", "full", "features"),
    _d("anisotropy_sigma_share", "σ₁ SHARE", "first singular value share", "", 3, "lower", ("1/min(N, D)", "1"),
       "σ₁/Σσ, raw rows, uncentred", "what some tools call anisotropy.", "manyLatents, which centres first", "full", "features"),
    _d("feature_correlation_rms", "CORR rms", "feature correlation, RMS", "", 3, "lower", ("0", "1"),
       "√ mean r² over pairs of different, non-constant features", "never below CORR.", "this project", "full", "features"),
    _d("feature_correlation_signed", "CORR signed", "feature correlation, signed", "", 4, "", ("-1/(D-1)", "1"),
       "mean r over the same pairs", "0 when signs balance.", "this project", "full", "features"),
    _d("feature_correlation_max", "CORR max", "feature correlation, largest", "", 3, "lower", ("0", "1"),
       "largest |r| over the same pairs", "1: two features are copies.", "this project", "full", "features"),
    _d("feature_correlation_unit", "CORR unit", "feature correlation of unit rows", "", 3, "lower", ("0", "1"),
       "CORR on L2-normalised rows", "CORR without the shared effect of the norm.", "this project", "full", "features"),
    _d("feature_correlation_noise_floor", "CORR floor", "noise floor of CORR", "", 4, "", ("0", "1"),
       "√(2/(πN))", "what independent features would read at this N.", "this project", "full", "features"),
    _d("feature_correlation_debiased_rms", "CORR rms*", "feature correlation, RMS, debiased", "", 3, "lower", ("0", "1"),
       "√max(0, mean r² - 1/(N-1))", "RMS correlation without the part that chance adds.", "this project", "full", "features"),
    _d("centroid_rank_eigenvalues", "C. RANK λ", "centroid rank, eigenvalues", "", 1, "higher", ("1", "min(K, D)"),
       "exp entropy of the squared singular values, uncentred", "never above centroid rank.", "this project", "full", "labels"),
    _d("centroid_rank_raw", "C. RANK raw", "centroid rank, raw means", "", 1, "higher", ("1", "min(K, D)"),
       "as centroid rank, from class means of raw rows (mean_of_raw)", "weighs long rows more.", "this project", "full", "labels"),
    _d("centroid_rank_unit", "C. RANK unit", "centroid rank, unit means", "", 1, "higher", ("1", "min(K, D)"),
       "as centroid rank, class means rescaled to length 1 (unit_of_mean_of_unit)", "orthogonal classes read exactly K.",
       "this project", "full", "labels"),
    _d("centroid_rank_weighted", "C. RANK wtd", "centroid rank, weighted by images", "", 1, "higher", ("1", "min(K, D)"),
       "as centroid rank, row k multiplied by √(n_k/N)", "large classes count more.", "this project", "full", "labels"),
    _d("effective_rank_eigenvalues", "E. RANK λ", "effective rank, eigenvalues", "", 1, "higher", ("1", "min(N, D)"),
       "exp entropy of the squared singular values, uncentred", "up to several times below effective rank on the same features.",
       "this project", "full", "features"),
    _d("effective_rank_eigenvalues_centered", "E. RANK λ ctr", "effective rank, eigenvalues, centred", "", 1, "higher",
       ("1", "min(N-1, D)"), "exp entropy of the eigenvalues of the covariance", "what several toolkits call effective rank.",
       "this project", "full", "features"),
    _d("effective_rank_unit", "E. RANK unit", "effective rank of unit rows", "", 1, "higher", ("1", "min(N, D)"),
       "as effective rank, L2-normalised rows", "effective rank without the norms.", "this project", "full", "features"),
    _d("effective_rank_unit_centered", "E. RANK unit ctr", "effective rank of unit rows, centred", "", 1, "higher", ("1", "min(N-1, D)"),
       "as effective rank, L2-normalised rows, then column-centred", "", "this project", "full", "features"),
    _d("effective_rank_extrapolated", "E. RANK ∞", "effective rank, extrapolated in N", "", 1, "higher", ("1", "D"),
       "2 E(N) - mean of E over 20 random halves", "removes the first-order effect of a finite N; needs N >= 4 D.",
       "this project", "full", "features"),
    _d("rankme", "RANKME", "RankMe", "", 1, "higher", ("1", "min(N, D)"),
       "exp(-Σ p ln p), p = σ/Σσ + 1e-7, raw, uncentred", "effective rank with the paper's epsilon.", "Garrido et al. 2023",
       "full", "features"),
    _d("rankme_stable_pretraining", "RANKME spt", "RankMe as stable-pretraining has it", "", 1, "", ("1", "-"),
       "p = σ/Σσ + 1e-5", "for comparison with that tool only: reads too high, above D for flat spectra.",
       "stable-pretraining", "full", "features"),
    _d("rankme_reptrix", "RANKME reptrix", "RankMe as reptrix has it", "", 1, "", ("1", "-"),
       "p = λ/Σλ + 1e-7, centred covariance", "for comparison with that tool only: entropy of eigenvalues.", "reptrix", "full", "features"),
    _d("participation_ratio", "PR", "participation ratio", "", 1, "higher", ("1", "min(D, N-1)"),
       "(Σλ)²/Σλ², centred covariance", "number of directions that carry variance; biased low when N is small.", "Gao et al. 2017",
       "full", "features"),
    _d("participation_ratio_uncentered", "PR unctr", "participation ratio, uncentred", "", 1, "higher", ("1", "min(D, N)"),
       "(Σλ)²/Σλ² of XᵀX", "", "this project", "full", "features"),
    _d("participation_ratio_unit", "PR unit", "participation ratio of unit rows", "", 1, "higher", ("1", "min(D, N-1)"),
       "(Σλ)²/Σλ², centred covariance of the unit rows", "", "this project", "full", "features"),
    _d("d_prime_all_vs_positive", "d′ all", "sensitivity index, same-class against all", "", 3, "higher", ("-inf", "+inf"),
       "as d′ with all pairs as the negatives", "smaller than d′ when classes are few.", "this project", "full", "labels"),
    _d("d_prime_class_mean", "d′ class", "sensitivity index, mean over classes", "", 3, "higher", ("-inf", "+inf"),
       "mean over classes of d′ with the class's own pairs against its pairs with others", "every class weighs alike.",
       "this project", "full", "labels"),
    _d("d_prime_angle", "d′ angle", "sensitivity index on angles", "", 3, "higher", ("-inf", "+inf"),
       "as d′ on angles, sign turned so that higher is better", "", "this project", "full", "labels+pairs"),
    _d("d_prime_auc", "d′ AUC", "sensitivity index from AUC", "", 3, "higher", ("-inf", "+inf"),
       "√2 Φ⁻¹(AUC) of same-class against different-class angles", "d′ without assuming normal cosines.", "signal detection theory",
       "full", "labels+pairs"),
    _d("auc", "AUC", "ROC AUC of pairs", "", 4, "higher", ("0", "1"),
       "P(angle of a same-class pair < angle of a different-class pair), ties half, 0.05 deg bins",
       "0.5: no separation; 1: perfect.", "this project", "full", "labels+pairs"),
    _d("overlap", "OVERLAP", "histogram overlap", "", 3, "lower", ("0", "1"),
       "Σ min(p₊, p₋) over 1 deg bins of angle", "0: same-class and different-class angles never meet.", "this project",
       "full", "labels+pairs"),
    _d("angle_gap", "GAP", "angle gap", "deg", 2, "higher", ("-180", "180"),
       "different-class minus same-class mean angle", "0: labels do not matter.", "this project", "full", "labels+pairs"),
    _d("angle_positive_mean_class", "POS. ANGLE class", "mean angle, same class, classes alike", "deg", 2, "lower", ("0", "180"),
       "mean over classes of their mean same-class angle", "large classes do not dominate.", "this project", "full", "labels+pairs"),
    _d("angle_positive_std_class", "POS. ANGLE SD class", "SD of angle, same class, classes alike", "deg", 2, "", ("0", "90"),
       "√(mean over classes of E θ² - mean²)", "", "this project", "full", "labels+pairs"),
    *(
        _d(f"angle_{which}_q{q:02d}", f"{head} {q}%", f"{q} % quantile of angle, {words}", "deg", 2, "", ("0", "180"),
           f"{q} % of the pairs lie below, from 0.05 deg bins", "", "this project", "full", needs)
        for which, head, words, needs in (("all", "ALL", "all pairs", "pairs"), ("positive", "POS.", "same class", "labels+pairs"),
                                          ("negative", "NEG.", "different class", "labels+pairs"))
        for q in (1, 5, 25, 50, 75, 95, 99)
    ),
    *(
        _d(f"angle_{which}_{stat}", f"{head} {stat.upper()}", f"{stat} of angle, {words}", unit, 2, "", span, text, "", "this project",
           "full", needs)
        for which, head, words, needs in (("all", "ALL", "all pairs", "pairs"), ("positive", "POS.", "same class", "labels+pairs"),
                                          ("negative", "NEG.", "different class", "labels+pairs"))
        for stat, unit, span, text in (("mode", "deg", ("0", "180"), "centre of the fullest 0.05 deg bin"),
                                       ("skewness", "", ("-inf", "+inf"), "third standardised moment, from 0.05 deg bins"),
                                       ("excess", "", ("-2", "+inf"), "fourth standardised moment - 3, from 0.05 deg bins"))
    ),
    _d("dead_features", "DEAD", "dead features", "", 3, "lower", ("0", "1"),
       "share of columns that are 0 for every row", "capacity that is never used on this data.", "this project", "full", "features"),
    _d("active_per_sample_mean", "ACTIVE", "active features per row, mean", "", 1, "", ("0", "D"),
       "mean over rows of the number of non-zero entries", "", "this project", "full", "features"),
    _d("active_per_sample_min", "ACTIVE min", "active features per row, fewest", "", 0, "", ("0", "D"),
       "fewest non-zero entries in a row", "", "this project", "full", "features"),
    _d("hoyer", "HOYER", "Hoyer sparsity", "", 3, "", ("0", "1"),
       "mean over non-zero rows of (√D - ‖x‖₁/‖x‖₂)/(√D - 1)", "0: all entries alike; 1: one entry.", "Hoyer 2004", "full", "features"),
    _d("treves_rolls_population", "TR pop.", "population sparseness", "", 3, "", ("0", "1"),
       "mean over rows of (1 - (mean |x|)²/mean x²)/(1 - 1/D)", "0: all features equally active for an image; 1: one feature.",
       "Treves & Rolls 1991; Vinje & Gallant 2000", "full", "features"),
    _d("treves_rolls_lifetime", "TR life", "lifetime sparseness", "", 3, "", ("0", "1"),
       "mean over live features of (1 - (mean |x|)²/mean x²)/(1 - 1/N)", "0: a feature answers all images alike; 1: one image.",
       "Treves & Rolls 1991; Vinje & Gallant 2000", "full", "features"),
    _d("alpha_req", "α-REQ", "spectral decay exponent", "", 3, "", ("-inf", "+inf"),
       "minus slope of ln λⱼ on ln j, j = 11..min(100, rank/2), weights 1/j, centred covariance",
       "about 1 is the claimed sweet spot; larger: steep spectrum.", "Agrawal et al. 2022", "full", "features"),
    _d("alpha_req_unweighted", "α-REQ ols", "spectral decay exponent, unweighted", "", 3, "", ("-inf", "+inf"),
       "as α-ReQ without weights", "", "this project", "full", "features"),
    _d("alpha_req_r2", "α-REQ R²", "fit of the spectral decay", "", 3, "higher", ("0", "1"),
       "weighted R² of the α-ReQ fit", "near 1: the spectrum is a power law in the fit range.", "Agrawal et al. 2022", "full", "features"),
    _d("nesum", "NESUM", "NESum", "", 2, "higher", ("1", "min(D, N-1)"),
       "Σλ/λ₁, centred covariance", "the stable rank of the centred features.", "He & Ozay 2022", "full", "features"),
    _d("isoscore", "ISOSCORE", "IsoScore", "", 3, "higher", ("0", "1"),
       "(PR - 1)/(D - 1)", "1: variance equal in all directions.", "Rudman et al. 2022", "full", "features"),
    _d("isoscore_debiased", "ISOSCORE*", "IsoScore, debiased", "", 3, "higher", ("0", "1"),
       "(PR* - 1)/(D - 1) with the debiased participation ratio", "IsoScore nearly independent of N.", "this project", "full", "features"),
    _d("mean_norm", "NORM", "mean norm", "", 3, "", ("0", "+inf"), "mean of ‖x‖", "", "this project", "full", "features"),
    _d("norm_min", "NORM min", "smallest norm", "", 3, "", ("0", "+inf"), "min of ‖x‖", "", "this project", "full", "features"),
    _d("norm_max", "NORM max", "largest norm", "", 3, "", ("0", "+inf"), "max of ‖x‖", "", "this project", "full", "features"),
    _d("std_of_l2_normalized", "STD L2", "SD of unit rows", "", 4, "higher", ("0", "1/√D·√(N/(N-1))"),
       "mean over features of the sample SD (ddof 1) of the unit rows", "1/√D when spread uniformly; 0: collapsed.",
       "SimSiam (Chen & He 2021), Lightly", "full", "features"),
    _d("nc1", "NC1", "within-class variability", "", 3, "lower", ("0", "+inf"),
       "tr(W B⁺)/K of raw rows, W and B within-class and between-class covariance, classes of two rows or more alike, "
       "B⁺ of eigenvalues above 1e-10 of the largest, K - 1 at most",
       "0: every class is one point; 1: along the axes on which the class means differ, classes are about as wide as their means spread.",
       "Papyan, Han & Donoho 2020 (arXiv 2008.08186)", "full", "labels"),
    _d("nc1_trace", "NC1 trace", "within-class over between-class variance", "", 3, "lower", ("0", "+inf"),
       "tr W/tr B", "as NC1 without weighing directions by the spread of the means.", "this project", "full", "labels"),
    _d("nc1_cdnv", "CDNV", "class-distance normalised variance", "", 3, "lower", ("0", "+inf"),
       "mean over pairs of classes of (v_k + v_l)/(2‖μ_k - μ_l‖²), v the mean squared distance to the class mean",
       "0: collapsed; about 1: classes as wide as they are far apart.", "Galanti, György & Hutter 2022 (arXiv 2112.15121)",
       "full", "labels"),
    _d("nc2_equinorm", "NC2 norm", "unequal lengths of class means", "", 3, "lower", ("0", "√(K-1)"),
       "SD/mean over classes of ‖μ_k - μ_G‖, μ_G the mean of the class means", "0: all equally far from their centre.",
       "Papyan, Han & Donoho 2020", "full", "labels"),
    _d("nc2_angle", "NC2 angle", "departure of class means from a simplex", "", 3, "lower", ("0", "1 + 1/(K-1)"),
       "mean over pairs of classes of |cos(μ_k - μ_G, μ_l - μ_G) + 1/(K - 1)|",
       "0: an equiangular simplex, possible only if D is K - 1 or more.", "Papyan, Han & Donoho 2020", "full", "labels"),
    _d("ncc_accuracy", "NCC", "nearest-class-mean accuracy", "", 3, "higher", ("0", "1"),
       "share of rows whose nearest class mean (Euclidean, raw, the row included in its own) is that of their class",
       "1: class means alone tell the classes; measured on the very rows that make the means, so it reads high for small classes.",
       "Papyan, Han & Donoho 2020", "full", "labels"),
    _d("silhouette_cosine", "SILHOUETTE", "silhouette by cosine", "", 3, "higher", ("-1", "1"),
       "mean over rows of (b - a)/max(a, b), a and b the mean of 1 - cosine to the own class and to the nearest other class",
       "1: tight classes far apart; 0: overlapping; below 0: nearer to another class. 0 for a class of one row.",
       "Rousseeuw 1987", "full", "labels"),
    _d("lidar_class", "LIDAR class", "LiDAR, classes as objects", "", 1, "higher", ("1", "min(D, K-1)"),
       "as LiDAR, with classes of two rows or more in place of images and their rows in place of views",
       "number of directions that tell classes apart; not comparable with LiDAR of views.", "this project", "full", "labels"),
    _d("k_skewness", "HUB SKEW", "hubness: skewness of 10-occurrence", "", 3, "lower", ("-inf", "+inf"),
       "population skewness of N₁₀, how often a row is among the 10 nearest others of another by cosine",
       "0: all rows are neighbours of about ten; large: a few hubs are neighbours of very many.",
       "Radovanović, Nanopoulos & Ivanović 2010", "full", "neighbours"),
    _d("robin_hood", "ROBIN HOOD", "hubness: Robin Hood index", "", 3, "lower", ("0", "1"),
       "Σ|N₁₀ - 10|/(20 N)", "share of neighbour slots to be moved until every row has ten.", "Feldbauer et al. 2018",
       "full", "neighbours"),
    _d("antihub_share", "ANTIHUBS", "hubness: rows that are nobody's neighbour", "", 3, "lower", ("0", "1"),
       "share of rows with N₁₀ = 0", "such rows are never retrieved.", "Radovanović, Nanopoulos & Ivanović 2010", "full", "neighbours"),
    _d("hub_share", "HUBS", "hubness: slots taken by hubs", "", 3, "lower", ("0", "1"),
       "share of all neighbour slots that rows with N₁₀ of 20 or more take", "0: no row is a neighbour twice as often as the mean.",
       "this project", "full", "neighbours"),
    *(
        _d(f"knn_purity_{k}", f"PURITY {k}", f"label purity of the {k} nearest" if k > 1 else "label purity of the nearest", "", 3,
           "higher", ("0", "1"), f"share of same-label rows among the {k} nearest other rows by cosine" if k > 1
           else "share of rows whose nearest other row by cosine has their label",
           "unweighted leave-one-out kNN; the share of the class among all rows is chance"
           + (f", and a class of fewer than {k + 1} rows cannot reach 1." if k > 1 else "."),
           "this project", "full", "labels+neighbours")
        for k in (1, 10, 50)
    ),
    _d("twonn", "TWONN", "intrinsic dimension", "", 2, "", ("0", "+inf"),
       "(N - 1)/Σ ln(r₂/r₁), Euclidean distances of raw, distinct rows to their two nearest others",
       "number of dimensions that the rows fill locally; reads low in many: of 20 on a cube, 15 with 3,000 rows.",
       "Facco et al. 2017", "full", "neighbours"),
    _d("twonn_fit", "TWONN fit", "intrinsic dimension, by fit", "", 2, "", ("0", "+inf"),
       "slope through 0 of -ln(1 - i/N) on the i-th smallest ln(r₂/r₁), i up to 0.9 N",
       "as TwoNN without the tenth of the rows with the largest ratios.", "Facco et al. 2017", "full", "neighbours"),
    _d("twonn_error", "TWONN SE", "intrinsic dimension, standard error", "", 2, "", ("0", "+inf"),
       "TwoNN/√N", "of independent ratios; says nothing of the bias in many dimensions.", "Facco et al. 2017", "full", "neighbours"),
    _d("twonn_half", "TWONN N/2", "intrinsic dimension of half the rows", "", 2, "", ("0", "+inf"),
       "mean of TwoNN over two random halves", "the cloud at a larger scale: equal to TwoNN where the dimension is the same at both; "
       "a larger TwoNN at N is noise about a thinner cloud.", "Facco et al. 2017", "full", "neighbours"),
    _d("twonn_quarter", "TWONN N/4", "intrinsic dimension of a quarter of the rows", "", 2, "", ("0", "+inf"),
       "mean of TwoNN over four random quarters", "", "Facco et al. 2017", "full", "neighbours"),
    # --- views: present whenever the features carry augmented views ---------------------------------------------------
    _d("alignment_views", "ALIGN.", "alignment of views", "", 3, "lower", ("0", "4"),
       "mean over pairs of views of one image of ‖u - u′‖²", "0: the encoder ignores the augmentations.", "Wang & Isola 2020",
       "default", "views"),
    _d("center_vector_norm_views", "CVN views", "center vector norm over views", "", 3, "lower", ("0", "1"),
       "‖mean over images and views of the unit rows‖", "CVN as its authors define it: an expectation over images and augmentations.",
       "Jha et al. (arXiv 2402.14957)", "default", "views"),
    _d("angle_positive_views_mean", "VIEW ANGLE", "mean angle of views", "deg", 2, "lower", ("0", "180"),
       "mean angle over pairs of views of one image", "not the same-class angle: positives are augmentations.", "this project",
       "default", "views"),
    _d("angle_positive_views_std", "VIEW ANGLE SD", "SD of angle of views", "deg", 2, "", ("0", "90"),
       "population SD over the same pairs", "", "this project", "default", "views"),
    _d("lidar", "LIDAR", "LiDAR", "", 1, "higher", ("1", "min(D, N-1)"),
       "exp(-Σ p ln p), p = λ/Σλ + 1e-8, λ of the covariance of the images' mean views against that of views about them + 1e-4 I, raw",
       "number of directions that tell images apart better than views of one image differ; grows with images and views: compare at "
       "equal numbers.", "Thilak et al. 2024 (arXiv 2312.04000)", "full", "views"),
)  # fmt: skip

DEFINITIONS: dict[str, Definition] = {row.key: row for row in _ROWS}


def keys_of(preset: str) -> tuple[str, ...]:
    """Keys of a preset in report order: `default` holds `paper`, `full` holds everything. Views come last.

    >>> keys_of("paper")[:3]
    ('anisotropy', 'feature_correlation', 'center_vector_norm')
    """
    depth = PRESETS.index(preset)
    return tuple(key for key, row in DEFINITIONS.items() if PRESETS.index(row.preset) <= depth)
