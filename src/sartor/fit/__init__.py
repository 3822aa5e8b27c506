"""The main job: search the candidates, judge them, and write the bundle."""
