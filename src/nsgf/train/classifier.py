"""The classifier whose features measure samples: cross-entropy on the training labels."""

from torch.nn.functional import cross_entropy

from nsgf.data.problem import ImageProblem
from nsgf.train.learner import Objective


def objective(problem: ImageProblem, pool: None, batch_size: int) -> Objective:
    """Cross-entropy of the predicted class."""

    def loss(net, numbers, step):
        images, labels = problem.labelled(batch_size, numbers)
        return cross_entropy(net(images.unflatten(1, problem.shape)), labels)

    return loss
