"""Which images a run answers, and what reads their bytes: folders of this machine and stores."""
