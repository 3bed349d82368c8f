/* report.html: a run on one page, for a browser without network or scripts.
 *
 * Made from the files of the run folder only, so that it can be made again at any time, also for a
 * run that was interrupted or failed; what is missing or damaged is named on the page and is no
 * failure. Pictures are embedded, so that the one file can be mailed. The same files give the same
 * page. */
#ifndef BAL_REPORT_PAGE_H
#define BAL_REPORT_PAGE_H

#include "ballast/status.h"

#define BAL_REPORT_PAGE "report.html"

/** Write report.html in a run folder, crash-safely.
 *  Errors  BAL_ENOTFOUND when there is no such folder, BAL_EIO, BAL_ENOMEM; the old page stays. */
BAL_WARN_UNUSED bal_status bal_report_page_write(const char *folder, bal_error *err);

#endif
