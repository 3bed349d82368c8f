/* What the parameter updates share. An update node reads hyper f [BAL_HYPER_COUNT] and norm [1],
 * then one group of equally shaped tensors per parameter; which of a group it writes, its file
 * says. One node updates all parameters, so that a backend can spread the work over threads once.
 */
#ifndef BAL_OPS_UPDATES_H
#define BAL_OPS_UPDATES_H

#include <math.h>

#include "ops/ops.h"
#include "ops/reference.h"
#include "ops/rules.h"

enum { BAL_UPDATE_HYPER, BAL_UPDATE_NORM, BAL_UPDATE_FIRST };

/** Elements of a block of global_norm: the squares of each block of this many elements of a tensor
 * are summed by themselves, and block sums are added in order. The partition depends on shapes
 * alone, so a kernel that gives blocks to threads gets the same number with any count of them. */
#define BAL_NORM_BLOCK 16384

/** hyper, norm, and whole groups of `names`, all tensors of a group in the shape of its first. */
BAL_WARN_UNUSED bal_status bal_rule_update(const bal_graph *graph, const bal_node *node,
                                           const char *const *names, int32_t group, bal_error *err);

/** Attributes `first` … `first` + `count` − 1 are finite and not negative. */
BAL_WARN_UNUSED bal_status bal_rule_not_negative(const bal_node *node, int32_t first, int32_t count,
                                                 bal_error *err);

/** Append an update of `n` parameters; tensors[k][i] is member k of group i. */
void bal_update_add(bal_graph *graph, const bal_op *op, bal_value hyper, bal_value norm,
                    const bal_value *const *tensors, int32_t group, int32_t n,
                    const bal_attr *attrs);

/** What gradients are multiplied by: min(1, clip/norm), 1 where clip is 0. PyTorch's
 * clip_grad_norm_ divides by norm + 1e-6, which leaves the clipped norm slightly below the limit;
 * ours meets it. */
static inline double bal_clip_factor(double clip, double norm) {
    return clip > 0 && norm > clip ? clip / norm : 1;
}

static inline double bal_update_hyper(const bal_kernel_args *args, int index) {
    return bal_get_real(&args->in[BAL_UPDATE_HYPER], index);
}

/** Norm of the gradients; not finite: the step must not be taken. */
static inline double bal_update_norm(const bal_kernel_args *args) {
    return bal_get_real(&args->in[BAL_UPDATE_NORM], 0);
}

#endif
