ALTER PUBLICATION for_reports ADD TABLE events;
