"""Papers of the architectures, for model cards: what to cite of a model, as BibTeX."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """One paper.

    Attributes:
        key: Key of the entry.
        title: Title.
        authors: Authors, as BibTeX joins them.
        venue: Conference or journal.
        year: Year of that.
        url: Address of the paper, or of the software.
    """

    key: str
    title: str
    authors: str
    venue: str
    year: int
    url: str

    def bibtex(self) -> str:
        """The entry."""
        fields = {
            "title": f"{{{self.title}}}",
            "author": self.authors,
            "booktitle": self.venue,
            "year": str(self.year),
            "url": self.url,
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
        return "\n".join([f"@inproceedings{{{self.key},", *lines, "}"])


_ARXIV = "https://arxiv.org/abs/"
PAPERS: dict[str, Paper] = {
    # Families of backbones.
    "swin": Paper(
        "liu2021swin",
        "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows",
        "Liu, Ze and Lin, Yutong and Cao, Yue and Hu, Han and Wei, Yixuan and Zhang, Zheng and "
        "Lin, Stephen and Guo, Baining",
        "ICCV",
        2021,
        _ARXIV + "2103.14030",
    ),
    "cswin": Paper(
        "dong2022cswin",
        "CSWin Transformer: A General Vision Transformer Backbone with Cross-Shaped Windows",
        "Dong, Xiaoyi and Bao, Jianmin and Chen, Dongdong and Zhang, Weiming and Yu, Nenghai and "
        "Yuan, Lu and Chen, Dong and Guo, Baining",
        "CVPR",
        2022,
        _ARXIV + "2107.00652",
    ),
    "cvt": Paper(
        "wu2021cvt",
        "CvT: Introducing Convolutions to Vision Transformers",
        "Wu, Haiping and Xiao, Bin and Codella, Noel and Liu, Mengchen and Dai, Xiyang and "
        "Yuan, Lu and Zhang, Lei",
        "ICCV",
        2021,
        _ARXIV + "2103.15808",
    ),
    "tnt": Paper(
        "han2021tnt",
        "Transformer in Transformer",
        "Han, Kai and Xiao, An and Wu, Enhua and Guo, Jianyuan and Xu, Chunjing and Wang, Yunhe",
        "NeurIPS",
        2021,
        _ARXIV + "2103.00112",
    ),
    "rmt": Paper(
        "fan2024rmt",
        "RMT: Retentive Networks Meet Vision Transformers",
        "Fan, Qihang and Huang, Huaibo and Chen, Mingrui and Liu, Hongmin and He, Ran",
        "CVPR",
        2024,
        _ARXIV + "2309.11523",
    ),
    "hornet": Paper(
        "rao2022hornet",
        "HorNet: Efficient High-Order Spatial Interactions with Recursive Gated Convolutions",
        "Rao, Yongming and Zhao, Wenliang and Tang, Yansong and Zhou, Jie and Lim, Ser-Nam and "
        "Lu, Jiwen",
        "NeurIPS",
        2022,
        _ARXIV + "2207.14284",
    ),
    "convnext": Paper(
        "liu2022convnext",
        "A ConvNet for the 2020s",
        "Liu, Zhuang and Mao, Hanzi and Wu, Chao-Yuan and Feichtenhofer, Christoph and "
        "Darrell, Trevor and Xie, Saining",
        "CVPR",
        2022,
        _ARXIV + "2201.03545",
    ),
    "timm": Paper(
        "wightman2019timm",
        "PyTorch Image Models",
        "Wightman, Ross",
        "GitHub",
        2019,
        "https://github.com/huggingface/pytorch-image-models",
    ),
    # Detectors, and the neck that they share.
    "faster_rcnn": Paper(
        "ren2015faster",
        "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks",
        "Ren, Shaoqing and He, Kaiming and Girshick, Ross and Sun, Jian",
        "NeurIPS",
        2015,
        _ARXIV + "1506.01497",
    ),
    "mask_rcnn": Paper(
        "he2017mask",
        "Mask R-CNN",
        "He, Kaiming and Gkioxari, Georgia and Doll{\\'a}r, Piotr and Girshick, Ross",
        "ICCV",
        2017,
        _ARXIV + "1703.06870",
    ),
    "cascade_mask_rcnn": Paper(
        "cai2018cascade",
        "Cascade R-CNN: Delving into High Quality Object Detection",
        "Cai, Zhaowei and Vasconcelos, Nuno",
        "CVPR",
        2018,
        _ARXIV + "1712.00726",
    ),
    "retinanet": Paper(
        "lin2017focal",
        "Focal Loss for Dense Object Detection",
        "Lin, Tsung-Yi and Goyal, Priya and Girshick, Ross and He, Kaiming and Doll{\\'a}r, Piotr",
        "ICCV",
        2017,
        _ARXIV + "1708.02002",
    ),
    "fcos": Paper(
        "tian2020fcos",
        "FCOS: A Simple and Strong Anchor-free Object Detector",
        "Tian, Zhi and Shen, Chunhua and Chen, Hao and He, Tong",
        "arXiv",
        2020,
        _ARXIV + "2006.09214",
    ),
    "fpn": Paper(
        "lin2017fpn",
        "Feature Pyramid Networks for Object Detection",
        "Lin, Tsung-Yi and Doll{\\'a}r, Piotr and Girshick, Ross and He, Kaiming and "
        "Hariharan, Bharath and Belongie, Serge",
        "CVPR",
        2017,
        _ARXIV + "1612.03144",
    ),
    # Models for semantic segmentation.
    "upernet": Paper(
        "xiao2018upernet",
        "Unified Perceptual Parsing for Scene Understanding",
        "Xiao, Tete and Liu, Yingcheng and Zhou, Bolei and Jiang, Yuning and Sun, Jian",
        "ECCV",
        2018,
        _ARXIV + "1807.10221",
    ),
    "semantic_fpn": Paper(
        "kirillov2019panoptic",
        "Panoptic Feature Pyramid Networks",
        "Kirillov, Alexander and Girshick, Ross and He, Kaiming and Doll{\\'a}r, Piotr",
        "CVPR",
        2019,
        _ARXIV + "1901.02446",
    ),
    "segformer": Paper(
        "xie2021segformer",
        "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers",
        "Xie, Enze and Wang, Wenhai and Yu, Zhiding and Anandkumar, Anima and "
        "Alvarez, Jose M. and Luo, Ping",
        "NeurIPS",
        2021,
        _ARXIV + "2105.15203",
    ),
}
_WITH_FPN = ("faster_rcnn", "mask_rcnn", "cascade_mask_rcnn", "retinanet", "fcos")


def papers_of(backbone: str, parts: Iterable[str]) -> list[Paper]:
    """The papers of a model.

    Args:
        backbone: Name of the backbone, such as `"swin_tiny"` or `"timm/resnet50"`.
        parts: Names of what stands on it, such as `"mask_rcnn"`; those without a paper here are
            passed over.

    Returns:
        That of the backbone first.
    """
    names = [backbone.partition("/")[0].partition("_")[0].lower()]
    for part in parts:
        names += [part, *(["fpn"] if part in _WITH_FPN else [])]
    return [PAPERS[name] for name in names if name in PAPERS]
