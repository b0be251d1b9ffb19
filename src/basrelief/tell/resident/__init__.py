"""The public page: written for whoever lives there, of what may be handed out alone."""
