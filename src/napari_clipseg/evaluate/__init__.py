"""How good a model is: the paper's metrics, benchmarks over data sets, studies."""
