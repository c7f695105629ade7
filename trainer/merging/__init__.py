"""Two LoRAs in one: read, added up or taught to stand each other, written as an export is."""
