"""Training by several processes that computes what one process computes.

`torchrun --nproc-per-node K` starts K ranks. Each knows the whole batch as a list of items, embeds its own share of
them, and gathers the embeddings of all: so every rank has the complete loss, with negatives from all shares. Of its own
rows each then holds the complete gradient; what a parameter gets from all rows is the sum over the ranks. BatchNorm's
statistics are those of all shares. The official code knows its own rank's negatives only.

One step is then: embed the own share (`Ranks.shares`), `gather_rows`, the loss, backward, `sum_gradients`, clip, step.
What is trained must lie before the gather: a parameter of the loss itself would have its gradient counted once per
rank. Dropout is the one thing that differs: what it drops depends on the number of ranks.
"""
