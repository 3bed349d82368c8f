/* RUN or MODEL. See target.h. */
#include "target.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/run_folder.h"

/** The model of a run that has one. */
static bal_status find_model(bal_target *target, const char *folder, bal_error *err) {
    bal_run_folder run;
    BAL_TRY(bal_run_folder_open(&run, folder, err));
    target->run = bal_strdup(folder);
    target->model = bal_run_folder_path(&run, BAL_RUN_MODEL);
    char *summary = bal_run_folder_path(&run, BAL_RUN_SUMMARY);
    bal_status status = BAL_OK;
    if (!target->run || !target->model || !summary)
        status = bal_fail_memory(err, 0);
    else if (!bal_path_exists(target->model) && bal_path_exists(summary))
        status = bal_fail(err, BAL_ENOTFOUND,
                          "%s has no model: the run collapsed before any evaluation was worth "
                          "keeping; `ballast show %s` says more",
                          folder, folder);
    else if (!bal_path_exists(target->model))
        status = bal_fail(err, BAL_ENOTFOUND,
                          "%s has no model yet: the run has not ended; `ballast resume %s` goes on",
                          folder, folder);
    bal_free(summary);
    bal_run_folder_release(&run);
    return status;
}

static bal_status open_parts(bal_target *target, const char *path, int threads, bal_error *err) {
    const bal_backend_options options = {.threads = threads};
    if (bal_path_is_folder(path)) {
        BAL_TRY(find_model(target, path, err));
    } else if (!bal_path_exists(path)) {
        return bal_fail(err, BAL_ENOTFOUND, "there is no run or model %s", path);
    } else if (!(target->model = bal_strdup(path))) {
        return bal_fail_memory(err, 0);
    }
    BAL_TRY(bal_backend_open(NULL, &options, &target->backend, err));
    return bal_predictor_open(target->model, target->backend, &target->predictor, err);
}

bal_status bal_target_open(bal_target *target, const char *path, int threads, bal_error *err) {
    bal_target opened = {0};
    bal_status status = open_parts(&opened, path, threads, err);
    if (status == BAL_OK)
        *target = opened;
    else
        bal_target_close(&opened);
    return status;
}

void bal_target_close(bal_target *target) {
    bal_predictor_close(target->predictor);
    bal_backend_close(target->backend);
    bal_free(target->run);
    bal_free(target->model);
    *target = (bal_target){0};
}
