"""Training by several processes with the results of one process.

`torchrun --nproc-per-node K` starts K ranks. Each has the whole batch as a list of items, embeds its own share of them
and gathers the embeddings of all, so that every rank computes the complete loss, with negatives from all shares. Each
rank holds the full gradient with respect to its own embeddings, so parameter gradients are summed, not averaged, over
ranks. BatchNorm's statistics are those of all shares. The official code uses the negatives of the own rank only.

One step is: embed the own share (`Ranks.shares`), `gather_rows`, loss, backward, `sum_gradients`, clip, step. All
parameters must lie before the gather: the gradient of a parameter of the loss itself would be counted once per rank.
Only dropout differs from one process: the values that it drops depend on the number of ranks.
"""
