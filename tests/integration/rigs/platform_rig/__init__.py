"""The whole platform as tests see it from outside: started as people start it, asked through its public APIs."""
