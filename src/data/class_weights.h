/* Class weights: how much a row counts in the loss, by the id of its class.
 *
 * Weights follow from the counts of the training split. A weight's place is its class id and
 * nothing else: weights that are filled in by order of appearance land on the wrong classes, and
 * the net then collapses onto whichever class got the largest. */
#ifndef BAL_DATA_CLASS_WEIGHTS_H
#define BAL_DATA_CLASS_WEIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "ballast/status.h"

#define BAL_CLASS_WEIGHT_BETA 0.999 /* the usual beta of `effective` */

typedef struct bal_class_weight_options {
    double beta; /* effective: 0 or more, below 1; the nearer to 1, the more counts matter */
    /** Factor on the weight of each class with fewer rows than the uniform share N/C; 1: none.
     *  Applied last, to every kind, so that balanced is N/(C·n_c) × multiplier for a minority. It
     *  jumps at N/C: made for two classes, one of them rare. `check` notes classes near there. */
    double multiplier;
    const double *weights;          /* explicit: [C] by class id */
    const char *const *class_names; /* [C], for messages; NULL: ids are told */
} bal_class_weight_options;

/** One way to weigh classes. With n_c rows of class c, N in all, C classes:
 *    none       1
 *    balanced   N/(C·n_c), scikit-learn's rule: each class gets the same share of the loss
 *    effective  (1−β)/(1−β^n_c) (Cui et al. 2019), scaled to mean 1 over classes
 *    inverse    1/n_c, scaled to mean 1 over classes
 *    explicit   as given, not scaled */
typedef struct bal_class_weighting {
    const char *name;
    const char *summary;
    const char *source;
    bool needs_rows; /* divides by n_c */
    double (*weight)(const bal_class_weight_options *options, int32_t class_id, int64_t count,
                     double mean_count);
    bool scaled; /* to mean 1 */
} bal_class_weighting;

extern const bal_class_weighting *const bal_class_weighting_table[];
const bal_class_weighting *bal_class_weighting_find(const char *name);

/** Weights [C] by class id from the counts [C] of the training split. BAL_EDATA names a class
 *  without rows where the kind divides by them; BAL_ERECIPE an option out of range. */
BAL_WARN_UNUSED bal_status bal_class_weights_compute(const bal_class_weighting *kind,
                                                     const int64_t *counts, int32_t classes,
                                                     const bal_class_weight_options *options,
                                                     double *ret_weights, bal_error *err);

#endif
