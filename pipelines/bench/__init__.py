"""A matrix of agents, versions, models and efforts: one Harbor job for each variant, run, resumed and compared."""
