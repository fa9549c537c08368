"""Types that pass between the parts of the suite: specs, samples, batches and predictions.

Letters used for shapes in the whole package: B batch, C channels, H W rows and columns, N tokens
(N = H * W), L sequence, D embedding width, K classes or queries, M objects, P points, T frames.
Any other letter has a legend at the top of the file that uses it.
"""
