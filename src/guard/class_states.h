/* Where the classes of each head lie in one array that holds a state per class. Private to
 * detectors that remember something about every class. */
#ifndef BAL_GUARD_CLASS_STATES_H
#define BAL_GUARD_CLASS_STATES_H

#include "guard/detector.h"

/** Classes of a head that have a recall; 0 for value heads. */
static inline int32_t bal_head_recalls(const bal_guard *guard, int32_t h) {
    const bal_guard_head *head = bal_guard_view(guard, h)->head;
    return head->kind == BAL_HEAD_VALUE ? 0 : head->classes;
}

/** Classes of all heads together. */
static inline int64_t bal_guard_recalls(const bal_guard *guard) {
    int64_t total = 0;
    for (int32_t h = 0; h < bal_guard_heads(guard); h++)
        total += bal_head_recalls(guard, h);
    return total;
}

/** Recall of a class; its support must not be 0. */
static inline double bal_view_recall(const bal_head_view *view, int32_t class_id) {
    int64_t right = view->confusion[class_id * (int64_t)view->classes + class_id];
    return (double)right / (double)view->support[class_id];
}

#endif
