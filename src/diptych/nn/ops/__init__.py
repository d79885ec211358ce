"""Operations with a reference form and faster ones that give the same numbers."""
