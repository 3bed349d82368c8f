/* One detector at work: its hooks, called as they are where it looks at the whole run, and for each
 * head in turn where it looks at heads. What it remembers of heads lies in one array. */
#include "guard/guard_private.h"

static const bal_detector_hooks *hooks_of(const bal_watch *watch) {
    return watch->detector->hooks;
}

static void *head_state(const bal_watch *watch, int32_t h) {
    return (char *)watch->state + (size_t)h * hooks_of(watch)->per_head->size;
}

void *bal_watch_open(bal_guard *guard, const bal_watch *watch) {
    const bal_head_hooks *per_head = hooks_of(watch)->per_head;
    if (!per_head) return hooks_of(watch)->open(guard, watch);
    return bal_arena_alloc(&guard->arena, (size_t)guard->n_heads, per_head->size);
}

void bal_watch_reset(const bal_guard *guard, const bal_watch *watch) {
    const bal_head_hooks *per_head = hooks_of(watch)->per_head;
    if (!per_head) hooks_of(watch)->reset(guard, watch);
    for (int32_t h = 0; per_head && h < guard->n_heads; h++)
        per_head->reset(head_state(watch, h));
}

void bal_watch_visit(const bal_guard *guard, const bal_watch *watch, bal_state_stream *stream) {
    const bal_head_hooks *per_head = hooks_of(watch)->per_head;
    if (!per_head) hooks_of(watch)->visit(guard, watch, stream);
    for (int32_t h = 0; per_head && h < guard->n_heads; h++)
        per_head->visit(head_state(watch, h), stream);
}

void bal_watch_step(bal_guard *guard, const bal_watch *watch, const bal_step_signals *signals) {
    if (hooks_of(watch)->on_step) hooks_of(watch)->on_step(guard, watch, signals);
}

bool bal_watch_evaluate(bal_guard *guard, const bal_watch *watch, const bal_eval_signals *signals) {
    const bal_head_hooks *per_head = hooks_of(watch)->per_head;
    bool suspect = !per_head && hooks_of(watch)->on_evaluation(guard, watch, signals);
    for (int32_t h = 0; per_head && h < guard->n_heads; h++) {
        const bal_head_view *view = &guard->views[h];
        if (view->head->untrained) continue;
        suspect |= per_head->look(guard, watch, head_state(watch, h), view, signals);
    }
    return suspect;
}
