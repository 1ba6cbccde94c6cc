"""Parts that tests share: small models, recorded runs, real engines in processes of their own."""
