/* Kinds of heads: what a model's output means. Shared by models, losses, metrics and recipes. */
#ifndef BAL_NN_HEAD_H
#define BAL_NN_HEAD_H

typedef enum bal_head_kind {
    BAL_HEAD_CLASSES, /* C logits, softmax, one class id per row */
    BAL_HEAD_BINARY,  /* one logit, sigmoid, class 1 is the positive one */
    BAL_HEAD_VALUE,   /* K real numbers per row */
    BAL_HEAD_KIND_COUNT
} bal_head_kind;

/** "classes", "binary", "value". */
const char *bal_head_kind_name(bal_head_kind kind);

/** Bit of a kind in a mask of kinds. */
#define BAL_HEAD_BIT(kind) (1u << (kind))

#endif
