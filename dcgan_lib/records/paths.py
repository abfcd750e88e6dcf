"""What is where in a run's record: its folder, its fields, its series."""

RECORD = "neptune"  # the folder within a run's own that holds its record
SETTINGS = "config/hyperparameters/"  # the fields below it are what a run was made with
DATASET = "config/dataset/"
STATE = "training/state"
DIVERGED = "training/diverged_at"  # the first step with a value that is not finite
STARTED = "training/started_from/"  # the run whose weights this one began with: its name, its step, which networks
RESUMED = "training/resumed_at"  # the step from which a process goes on
METRICS = "metrics/"  # below it, what an `Evaluator` measured
FIXED_NOISE = "images/fixed_noise"

#: The path of each statistic in a `train.Report`: the articles' own, and below `training/health` what they don't log.
PATHS = {
    "loss_d": "training/batch/Dloss",
    "loss_g": "training/batch/Gloss",
    "d_real": "training/batch/D_x",
    "d_fake_before": "training/batch/D_G_z1",
    "d_fake_after": "training/batch/D_G_z2",
    "accuracy_real": "training/health/accuracy_real",
    "accuracy_fake": "training/health/accuracy_fake",
    "gradient_d": "training/health/gradient_D",
    "gradient_g": "training/health/gradient_G",
    "saturation": "training/health/saturation",
    "variety": "training/health/variety",
    "real_low": "training/health/real_low",
    "real_high": "training/health/real_high",
}
