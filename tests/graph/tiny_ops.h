/* A small op table for tests of graph/, so that they do not depend on src/ops. Kernels know f64.
 *
 *   add(a, b), mul(a, b)   same shapes; may work in place on either input
 *   scale(x; factor, plus) factor·x + plus, plus a whole number; in place
 *   sum(x) → [1]           gradient through spread(g, x), g repeated to x's shape
 *   parts(x) → 2x, x²      two outputs
 *   pick(x, y?)            y where given, else x
 *   opaque(x)              x; not differentiable; asks for workspace of x's size
 *   misshapen(x)           x; its gradient has the wrong shape on purpose
 *   store(target, x)       effect: target ← x
 *   noise(x, rng; stream)  x + stream
 */
#ifndef BAL_TESTS_TINY_OPS_H
#define BAL_TESTS_TINY_OPS_H

#include "graph/graph.h"
#include "graph/op.h"

extern const bal_op *const tiny_table[];
extern const bal_op *const tiny_table_without_add[];

bal_value tiny_add(bal_graph *g, bal_value a, bal_value b);
bal_value tiny_mul(bal_graph *g, bal_value a, bal_value b);
bal_value tiny_scale(bal_graph *g, bal_value x, double factor, int64_t plus);
bal_value tiny_sum(bal_graph *g, bal_value x);
bal_value tiny_parts(bal_graph *g, bal_value x);
bal_value tiny_pick(bal_graph *g, bal_value x, bal_value y);
bal_value tiny_opaque(bal_graph *g, bal_value x);
bal_value tiny_misshapen(bal_graph *g, bal_value x);
void tiny_store(bal_graph *g, bal_value target, bal_value x);
bal_value tiny_noise(bal_graph *g, bal_value x, bal_value rng);

#endif
