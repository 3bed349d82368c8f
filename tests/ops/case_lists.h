/* The lists that op_case_at walks, each ended by an entry without op. */
#ifndef BAL_TESTS_OPS_CASE_LISTS_H
#define BAL_TESTS_OPS_CASE_LISTS_H

#include "ops/cases.h"

extern const op_case op_cases_basic[];  /* cases_basic.c: arithmetic to softmax */
extern const op_case op_cases_layers[]; /* cases_layers.c: dense, norms, dropout, embedding */
extern const op_case op_cases_losses[]; /* cases_losses.c: losses and updates */

#endif
