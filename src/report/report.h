/* Pictures of a run, made from its folder: plots/{loss,metrics,diversity,confusion,recall}.png, and
 * report.html, the page that holds them (report/page.h).
 *
 * Everything comes from files that the run wrote (metrics.jsonl, incidents.jsonl, predictions.npz),
 * so that a report can be made again at any time, also for a run that was interrupted. */
#ifndef BAL_REPORT_REPORT_H
#define BAL_REPORT_REPORT_H

#include <stdbool.h>

#include "base/sink.h"

/** Draw what the folder has material for, if pictures are wanted, and write the page. A run without
 *  evaluations gets a page without pictures, and BAL_OK. */
BAL_WARN_UNUSED bal_status bal_report_run(const char *folder, bool pictures,
                                          const bal_log_sink *log, bal_error *err);

#endif
