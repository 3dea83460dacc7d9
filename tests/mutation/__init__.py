"""Mutation testing: changes the code at random and shows which changes no test notices."""
