"""The dock widget: form, controller, settings."""
