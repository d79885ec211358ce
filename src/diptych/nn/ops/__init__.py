"""Operations that torch has, in forms that are faster where pictures lie in channels_last; the numbers are the same."""
