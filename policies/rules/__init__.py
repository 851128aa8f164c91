"""The rules of the engine, one module for each of the Five Safes' questions; each is a function from a case to a finding."""
