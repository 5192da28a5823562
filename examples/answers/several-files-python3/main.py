from shapes.circle import area
from shapes.square import area as square_area

print(area(1) < square_area(2))
