/* Losses as recipe entries: each turns a head's output and target into a graph value. The
 * arithmetic lives in ops/; an entry says which op, for which heads, with which options. */
#ifndef BAL_LOSS_LOSS_H
#define BAL_LOSS_LOSS_H

#include "graph/graph.h"
#include "nn/head.h"

typedef struct bal_loss_options {
    const char *kind;
    double gamma;           /* focal */
    double alpha;           /* focal, scalar form: two classes → {1−α, α}; negative: none */
    double label_smoothing; /* cross_entropy */
    double delta;           /* huber, threshold_huber */
    /* threshold_huber, in the units of outputs and targets (bal_recipe_head_loss translates) */
    double threshold, margin, below_weight, above_weight;
} bal_loss_options;

typedef struct bal_loss {
    const char *name;
    const char *summary;
    const char *source;
    unsigned kinds; /* BAL_HEAD_BIT mask of the heads it fits */
    /** The metric that is this loss without class weights and smoothing; NULL when there is none.
     */
    const char *metric;
    /** Append the loss. class_weight: [C] values by class id or BAL_NO_VALUE; focal takes it as its
     *  alpha, times the scalar one if that is given too. Target: i32 class ids [B] for heads with
     *  classes, f of the output's shape for the others. Returns the loss [1]; its sibling output 1
     *  is the weight sum [1]. What a loss could only ignore (class_weight or label_smoothing) is an
     *  error of the graph. */
    bal_value (*build)(bal_graph *graph, bal_value output, bal_value target, bal_value class_weight,
                       const bal_loss_options *options);
} bal_loss;

extern const bal_loss *const bal_loss_table[];
const bal_loss *bal_loss_find(const char *name);

#endif
