/* Where tables come from: one function per kind of source, and what they share. Private to src/data/. */
#ifndef BAL_DATA_TABLE_SOURCE_H
#define BAL_DATA_TABLE_SOURCE_H

#include "data/table.h"

/** Each fills a zeroed table as far as it gets; the caller frees it on failure. */
bal_status bal_table_from_csv(const bal_table_options *options, const bal_log_sink *log,
                              bal_table *table, bal_error *err);
bal_status bal_table_from_npz(const bal_table_options *options, const bal_log_sink *log,
                              bal_table *table, bal_error *err);

/** Room for rows × features and their names. */
bal_status bal_table_allocate(bal_table *table, const char *source, int64_t rows, int32_t features,
                              int32_t columns, bal_error *err);

/** What a missing file or an unreadable one means to someone who wants data: BAL_EDATA. Memory and
 *  storage failures stay what they are. */
bal_status bal_table_source_failed(bal_status status, const char *path, bal_error *err);

#endif
