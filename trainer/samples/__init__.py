"""Pictures made by the models: validation, class pictures, `generate`."""
