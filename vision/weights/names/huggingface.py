"""Options common to the configurations of all Hugging Face models."""

from vision.weights.names.published import OptionReader

# Keys that `PreTrainedConfig.to_dict()` writes for every model, transformers 4 and 5, and that have
# no bearing on an image backbone: bookkeeping, what a call returns, and text generation.
GENERIC_OPTIONS = (
    *("_name_or_path", "architectures", "model_type", "transformers_version", "dtype"),
    *("torch_dtype", "torchscript", "use_bfloat16", "tf_legacy_loss", "finetuning_task"),
    *("return_dict", "output_attentions", "output_hidden_states", "problem_type"),
    *("chunk_size_feed_forward", "label2id", "task_specific_params", "tokenizer_class", "prefix"),
    *("is_encoder_decoder", "is_decoder", "add_cross_attention", "cross_attention_hidden_size"),
    *("tie_encoder_decoder", "tie_word_embeddings", "bos_token_id", "eos_token_id"),
    *("pad_token_id", "sep_token_id", "decoder_start_token_id", "begin_suppress_tokens"),
    *("max_length", "min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups"),
    *("num_return_sequences", "diversity_penalty", "temperature", "top_k", "top_p", "typical_p"),
    *("repetition_penalty", "length_penalty", "no_repeat_ngram_size", "bad_words_ids"),
    *("encoder_no_repeat_ngram_size", "forced_bos_token_id", "forced_eos_token_id"),
    *("remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens"),
    *("output_scores", "return_dict_in_generate"),
)
# Classes of a configuration that names none.
DEFAULT_CLASSES = 2


def ignore_generic_options(reader: OptionReader) -> None:
    """Drop the keys of a configuration that belong to every Hugging Face model."""
    reader.ignore(*GENERIC_OPTIONS)
    # Weights from which heads were removed have other shapes.
    reader.expect("pruned_heads", {}, None)


def take_num_classes(reader: OptionReader) -> int:
    """Number of classes of a configuration: `num_labels`, or the length of its list of names."""
    names = reader.take("id2label")
    return reader.take("num_labels", DEFAULT_CLASSES if names is None else len(names))
