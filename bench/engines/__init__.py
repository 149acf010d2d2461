"""What does the work of a stage: our jobs on Flink, and its peers, a file each."""
