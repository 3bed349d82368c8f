/* The raw loss of a head, apart from the network that was trained on it: written into its model
 * file, read back, and computed from outputs and labels alone. What evaluation while training
 * calls loss is the same: no class weights, no alpha, no label smoothing, no share of the head. */
#ifndef BAL_TRAIN_RAW_LOSS_H
#define BAL_TRAIN_RAW_LOSS_H

#include "backend/backend.h"
#include "format/json.h"
#include "format/json_out.h"
#include "loss/loss.h"
#include "metric/metric.h"

/** "loss": {"kind": "focal", "gamma": 2}: the options that the raw loss of that kind depends on,
 *  in the units of the outputs. */
void bal_raw_loss_write(const bal_loss_options *loss, bal_json_out *out);

/** Back from it; ret_loss->kind lives as long as the program. NULL item: kind is NULL, a file that
 *  does not say. BAL_EFORMAT for a loss that is not known or does not fit the head, and for an
 *  option that is no number. */
BAL_WARN_UNUSED bal_status bal_raw_loss_read(const json_t *item, bal_head_kind head,
                                             bal_loss_options *ret_loss, bal_error *err);

/** Mean over all rows with a label; NaN where there is none. Where the loss is a metric, that is
 *  what bal_head_loss_metric's compute says more exactly. */
BAL_WARN_UNUSED bal_status bal_raw_loss_compute(const bal_loss_options *loss,
                                                const bal_evaluation *rows, bal_backend *backend,
                                                double *ret_loss, bal_error *err);

#endif
