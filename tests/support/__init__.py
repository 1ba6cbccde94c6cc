"""Parts that tests share: fakes, small models, recorded runs, real engines in processes of their own."""
