"""Making a trained model ready to ship."""
