/* Made-up tables with faults: Gaussian classes in a few dimensions, as CSV. Deterministic in
 * options and seed. */
#ifndef COLLAPSE_FIELD_H
#define COLLAPSE_FIELD_H

#include "base/text.h"
#include "format/yaml.h"

typedef struct field_options {
    int64_t rows, features, classes;
    double imbalance; /* rows of the largest class for one of the smallest; geometric in between */
    double spread;    /* deviation of a class around its centre; centres lie about 1 apart */
    /* faults, 0: none */
    double label_noise;  /* share of the labels drawn anew */
    int64_t shuffled;    /* 1: all labels permuted */
    double missing;      /* share of the cells left empty */
    double outliers;     /* share of the rows with one cell × outlier_size */
    double outlier_size; /* */
    int64_t constant;    /* this many features are the same everywhere */
    int64_t leak;        /* 1: one more feature, which is the class */
    int64_t sorted;      /* 1: rows come class by class */
    double repeated;     /* share of the rows that come twice */
    double scale;        /* features × this; 0: 1 */
} field_options;

/** Set what a mapping says, by the names above. */
BAL_WARN_UNUSED bal_status field_read(field_options *options, const bal_yaml_node *map,
                                      bal_error *err);

/** CSV with the columns f0, f1, …, class (c0, c1, …). False when out of memory. */
bool field_make(const field_options *options, uint64_t seed, bal_text *out);

#endif
