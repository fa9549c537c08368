"""The names that authors and libraries give to parameters, and ours."""
