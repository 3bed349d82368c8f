/* Written by make_class_weights.py; do not edit. */
#ifndef BAL_GOLDEN_CLASS_WEIGHTS_GOLDEN_H
#define BAL_GOLDEN_CLASS_WEIGHTS_GOLDEN_H

/* clang-format off */
#define GOLDEN_BETA 0.999
static const int64_t counts_0[] = {50, 50};
static const double balanced_0[] = {1.0, 1.0};
static const double effective_0[] = {1.0, 1.0};
static const double inverse_0[] = {1.0, 1.0};
static const int64_t counts_1[] = {99, 1};
static const double balanced_1[] = {0.5050505050505051, 50.0};
static const double effective_1[] = {0.02098588430799498, 1.979014115692005};
static const double inverse_1[] = {0.02, 1.98};
static const int64_t counts_2[] = {6495, 1994, 989, 522};
static const double balanced_2[] = {0.3849114703618168, 1.2537612838515546, 2.5278058645096055, 4.789272030651341};
static const double effective_2[] = {0.6452217283626535, 0.7456717542324345, 1.0254911157841673, 1.5836154016207447};
static const double inverse_2[] = {0.17191701083759323, 0.5599804339970752, 1.1290202076745883, 2.139082347490743};
static const int64_t counts_3[] = {2000, 700, 233, 77, 26, 9, 3, 1};
static const double balanced_3[] = {0.1905625, 0.5444642857142857, 1.6357296137339057, 4.949675324675325, 14.658653846153847, 42.34722222222222, 127.04166666666667, 381.125};
static const double effective_3[] = {0.006144166738119981, 0.01055122374734236, 0.02555307935328076, 0.07166251748738618, 0.20693051272483173, 0.5927516886397354, 1.7729309578129462, 5.3134758534963575};
static const double inverse_3[] = {0.002662914774526612, 0.007608327927218891, 0.02285763754958465, 0.06916661752017174, 0.2048395980405086, 0.5917588387836915, 1.7752765163510744, 5.325829549053224};
static const int64_t counts_4[] = {1, 1, 1, 1, 1};
static const double balanced_4[] = {1.0, 1.0, 1.0, 1.0, 1.0};
static const double effective_4[] = {1.0, 1.0, 1.0, 1.0, 1.0};
static const double inverse_4[] = {1.0, 1.0, 1.0, 1.0, 1.0};
static const int64_t counts_5[] = {1000000, 10, 1000};
static const double balanced_5[] = {0.33367, 33367.0, 333.67};
static const double effective_5[] = {0.029117070910108723, 2.9248338064822272, 0.04604912260766388};
static const double inverse_5[] = {2.9702676211126622e-05, 2.9702676211126624, 0.029702676211126624};
static const golden_case golden_cases[] = {
    {"two even", 2, counts_0, balanced_0, effective_0, inverse_0},
    {"two uneven", 2, counts_1, balanced_1, effective_1, inverse_1},
    {"segments", 4, counts_2, balanced_2, effective_2, inverse_2},
    {"long tail", 8, counts_3, balanced_3, effective_3, inverse_3},
    {"one of each", 5, counts_4, balanced_4, effective_4, inverse_4},
    {"a million", 3, counts_5, balanced_5, effective_5, inverse_5},
};
/* clang-format on */

#endif
