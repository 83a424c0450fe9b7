def key_of(city):
    return city.strip().lower()
