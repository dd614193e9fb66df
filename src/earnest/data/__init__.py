"""From verified findings to a data set: rendered, de-duplicated, decontaminated, with replay."""
