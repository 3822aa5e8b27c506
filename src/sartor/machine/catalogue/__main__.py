"""`python -m sartor.machine.catalogue` lists the parts: id, kind and name."""

from sartor.machine.catalogue import catalogue

for part in catalogue().values():
    print(f"{part.id:<24} {part.kind:<12} {part.vendor} {part.name}")
